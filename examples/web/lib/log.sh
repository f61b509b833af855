log() {
  printf '%s: %s\n' "$IMAGEFILE_IMAGE" "$*"
}
