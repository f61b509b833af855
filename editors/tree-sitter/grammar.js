/**
 * ImageFiles, as editors see them: what a statement means is imgfile's business, and whatever that reads, this reads
 * without an error. `tree-sitter generate --abi 14` writes src/parser.c anew.
 */

/// <reference types="tree-sitter-cli/dsl" />
// @ts-check

module.exports = grammar({
  name: "imagefile",

  // Of the scanner, since only it knows the tag that ends a heredoc.
  externals: ($) => [$.heredoc_start, $._heredoc_newline, $.heredoc_body, $.heredoc_end],

  extras: ($) => [/[ \t]/, $.comment],

  word: ($) => $.word,

  rules: {
    source_file: ($) => lines($, choice($.statement, alias($.container, $.statement))),

    // `image` and `profile`, which hold statements.
    container: ($) =>
      seq(
        field("keyword", choice(alias("image", $.keyword), alias("profile", $.keyword))),
        repeat($._operand),
        optional(field("body", $.block)),
      ),
    block: ($) => seq("{", lines($, $.statement), "}"),

    statement: ($) =>
      seq(
        field("keyword", alias($.word, $.keyword)),
        repeat(choice($._operand, "=", ",", $.options, $.heredoc_start)),
        optional($.heredoc),
      ),
    // What follows the marker's line.
    heredoc: ($) => seq($._heredoc_newline, optional($.heredoc_body), $.heredoc_end),

    _operand: ($) => choice($.word, $.string, $.interpolation, $.list),
    options: ($) => seq("{", repeat(choice($._newline, ",", $.pair)), "}"),
    pair: ($) => seq(field("key", choice($.word, $.string)), "=", field("value", choice($._operand, $.options))),
    list: ($) => seq("[", repeat(choice($._newline, ",", $._operand, $.options)), "]"),

    string: ($) =>
      seq(
        '"',
        repeat(choice(alias($._string_content, $.string_content), $.escape, $.interpolation)),
        token.immediate('"'),
      ),
    _string_content: () => choice(token.immediate(prec(1, /([^"\\$\n\r]|\$[^"\\${\n\r])+/)), token.immediate("$")),
    escape: () => token.immediate(prec(2, choice(/\\u\{[0-9A-Fa-f]*\}/, /\\[^\n\r]/, "$${"))),
    interpolation: ($) =>
      seq("${", optional(alias($._param_name, $.param_name)), token.immediate("}")),
    _param_name: () => token.immediate(/[^{}"\n\r]+/),

    // A name, number, size, version, mode…: the statement decides. `<<` and `${` start something else.
    word: () => /([^ \t\r\n{}\[\]=,"'#<$!>]|[!<>]=|[!>]|<[^ \t\r\n{}\[\]=,"'#<$]|\$[^ \t\r\n{}\[\]=,"'#<$])+/,

    comment: () => /#[^\n\r]*/,
    _newline: () => /\r?\n/,
  },
});

/**
 * One rule a line; the last one may end with what is around it.
 *
 * @param {GrammarSymbols<string>} $
 * @param {RuleOrLiteral} rule
 */
function lines($, rule) {
  return seq(repeat(choice($._newline, seq(rule, $._newline))), optional(rule));
}
