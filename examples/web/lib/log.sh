log() {
  printf '%s: %s\n' "$IMGFILE_IMAGE" "$*"
}
