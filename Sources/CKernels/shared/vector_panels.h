// What all products with panels share: how rows are dealt into tiles.

/// Rows of the next tile when `left` remain: as even as possible, since a tile of one row unpacks
/// as many weights as a full one.
CK_INLINE int64_t tile_rows(int64_t left, int64_t limit) {
  int64_t tiles = (left + limit - 1) / limit;
  return (left + tiles - 1) / tiles;
}

/// Panels that fit the second cache beside the inputs of a tile.
CK_INLINE int64_t panel_group(const ck_panels *w) {
  enum { CACHE = 1 << 18 };
  int64_t count = CACHE / w->panel_bytes;
  return count > 0 ? count : 1;
}
