// Heredocs: `<<TAG` or `<<-TAG` somewhere on a line, and below it everything up to a line that is TAG alone.

#include "tree_sitter/alloc.h"
#include "tree_sitter/parser.h"

#include <string.h>

enum Token { HEREDOC_START, HEREDOC_NEWLINE, HEREDOC_BODY, HEREDOC_END };

// What the parser keeps between two calls must fit its buffer, so a longer tag is no tag.
#define MAX_TAG (TREE_SITTER_SERIALIZATION_BUFFER_SIZE - 1)

typedef struct {
  // 0: no heredoc is open.
  unsigned length;
  char tag[MAX_TAG];
} Scanner;

static bool is_letter(int32_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

static bool is_tag(int32_t c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '_'; }

static bool is_blank(int32_t c) { return c == ' ' || c == '\t'; }

// Behind the blanks at the start of a line: whether the rest of it is the tag, read as far as that takes.
static bool read_end(Scanner *scanner, TSLexer *lexer) {
  for (unsigned at = 0; at < scanner->length; at++) {
    if (lexer->lookahead != scanner->tag[at]) return false;
    lexer->advance(lexer, false);
  }
  return true;
}

// Behind the tag: whether nothing follows on the line.
static bool line_is_done(TSLexer *lexer) {
  while (is_blank(lexer->lookahead)) lexer->advance(lexer, false);
  if (lexer->lookahead == '\r') lexer->advance(lexer, false);
  return lexer->lookahead == '\n' || lexer->eof(lexer);
}

static bool scan_start(Scanner *scanner, TSLexer *lexer) {
  for (int n = 0; n < 2; n++) {
    if (lexer->lookahead != '<') return false;
    lexer->advance(lexer, false);
  }
  // `~` and quotes are mistakes that imgfile has a message for; the text below is a heredoc all the same.
  if (lexer->lookahead == '-' || lexer->lookahead == '~') lexer->advance(lexer, false);
  int32_t quote = lexer->lookahead == '"' || lexer->lookahead == '\'' ? lexer->lookahead : 0;
  if (quote) lexer->advance(lexer, false);
  if (!is_letter(lexer->lookahead)) return false;
  unsigned length = 0;
  while (is_tag(lexer->lookahead)) {
    if (length == MAX_TAG) return false;
    scanner->tag[length++] = (char)lexer->lookahead;
    lexer->advance(lexer, false);
  }
  if (quote && lexer->lookahead == quote) lexer->advance(lexer, false);
  scanner->length = length;
  lexer->result_symbol = HEREDOC_START;
  return true;
}

// The lines up to the one that is the tag; that one itself if there are none before it.
static bool scan_lines(Scanner *scanner, TSLexer *lexer, const bool *valid) {
  bool any_line = false;
  for (;;) {
    // The body ends here, unless this line belongs to it too.
    lexer->mark_end(lexer);
    while (is_blank(lexer->lookahead)) lexer->advance(lexer, false);
    if (read_end(scanner, lexer)) {
      bool end = !any_line && valid[HEREDOC_END];
      if (end) lexer->mark_end(lexer);
      if (line_is_done(lexer)) {
        if (end) scanner->length = 0;
        lexer->result_symbol = end ? HEREDOC_END : HEREDOC_BODY;
        return end || (any_line && valid[HEREDOC_BODY]);
      }
    }
    while (lexer->lookahead != '\n' && !lexer->eof(lexer)) {
      lexer->advance(lexer, false);
      any_line = true;
    }
    if (lexer->eof(lexer)) {
      // Nothing ends it: the rest of the file is its body.
      lexer->mark_end(lexer);
      scanner->length = 0;
      lexer->result_symbol = HEREDOC_BODY;
      return any_line && valid[HEREDOC_BODY];
    }
    lexer->advance(lexer, false);
    any_line = true;
  }
}

bool tree_sitter_imagefile_external_scanner_scan(void *payload, TSLexer *lexer, const bool *valid) {
  Scanner *scanner = payload;
  // The parser looks for a way on after a mistake: everything is valid then.
  bool recovering = valid[HEREDOC_START] && valid[HEREDOC_END];
  if (!recovering && scanner->length > 0 && (valid[HEREDOC_BODY] || valid[HEREDOC_END])) {
    return scan_lines(scanner, lexer, valid);
  }
  while (is_blank(lexer->lookahead)) lexer->advance(lexer, true);
  if (valid[HEREDOC_START] && lexer->lookahead == '<') return scan_start(scanner, lexer);
  if (valid[HEREDOC_NEWLINE] && scanner->length > 0) {
    if (lexer->lookahead == '\r') lexer->advance(lexer, false);
    if (lexer->lookahead != '\n') return false;
    lexer->advance(lexer, false);
    lexer->result_symbol = HEREDOC_NEWLINE;
    return true;
  }
  return false;
}

void *tree_sitter_imagefile_external_scanner_create(void) { return ts_calloc(1, sizeof(Scanner)); }

void tree_sitter_imagefile_external_scanner_destroy(void *payload) { ts_free(payload); }

unsigned tree_sitter_imagefile_external_scanner_serialize(void *payload, char *buffer) {
  Scanner *scanner = payload;
  memcpy(buffer, scanner->tag, scanner->length);
  return scanner->length;
}

void tree_sitter_imagefile_external_scanner_deserialize(void *payload, const char *buffer, unsigned length) {
  Scanner *scanner = payload;
  scanner->length = length <= MAX_TAG ? length : 0;
  if (scanner->length > 0) memcpy(scanner->tag, buffer, scanner->length);
}
