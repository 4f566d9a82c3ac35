/** Where everything is in the picture of rooms by node: a tile for each node, a dot for each room. Owns: that geometry. Does not know: a
 *  canvas, colours.
 *  All tiles share one size of dot, so that how full a tile is can be compared at a glance. Where dots would be smaller than can be
 *  seen, each stands for several rooms. */

export interface Tile {
  readonly node: string;
  readonly x: number;
  readonly y: number;
}

export interface Tiles {
  readonly tiles: readonly Tile[];
  readonly byNode: ReadonlyMap<string, Tile>;
  readonly width: number;
  readonly height: number;
  readonly tileWidth: number;
  readonly tileHeight: number;
  /** From one dot to the next. */
  readonly step: number;
  /** Side of a dot. */
  readonly dot: number;
  readonly dotsInRow: number;
  readonly roomsPerDot: number;
}

const GAP = 10;
export const HEAD = 24;
export const PAD = 8;
const STEP_MAX = 22;
const STEP_MIN = 3;

/** @param nodes  names, in order
 *  @param most  rooms of the node that has most */
export function layTiles(nodes: readonly string[], most: number, width: number): Tiles {
  const isWide = width >= 640;
  const wanted = nodes.length <= 6 ? (isWide ? 180 : 150) : nodes.length <= 24 ? 140 : 96;
  const columns = Math.max(1, Math.min(nodes.length || 1, Math.floor((width + GAP) / (wanted + GAP))));
  const rows = Math.max(1, Math.ceil(nodes.length / columns));
  const tileWidth = Math.floor((width - GAP * (columns - 1)) / columns);
  const tileHeight = rows === 1 ? 212 : rows <= 3 ? 150 : rows <= 6 ? 96 : 72;
  const [innerWidth, innerHeight] = [tileWidth - 2 * PAD, tileHeight - HEAD - PAD];
  // Some air above the fullest, for what is on its way.
  const room = Math.max(20, most * 1.08);
  let step = STEP_MAX;
  while (step > STEP_MIN && Math.floor(innerWidth / step) * Math.floor(innerHeight / step) < room) step--;
  const dotsInRow = Math.max(1, Math.floor(innerWidth / step));
  const dots = Math.max(1, dotsInRow * Math.floor(innerHeight / step));
  const tiles = nodes.map((node, i) => ({
    node,
    x: (i % columns) * (tileWidth + GAP),
    y: Math.floor(i / columns) * (tileHeight + GAP),
  }));
  return {
    ...{ tiles, width, tileWidth, tileHeight, step, dotsInRow },
    byNode: new Map(tiles.map((tile) => [tile.node, tile])),
    height: rows * (tileHeight + GAP) - GAP,
    dot: step <= 4 ? step - 1 : step <= 12 ? step - 2 : step - 3,
    roomsPerDot: Math.max(1, Math.ceil(room / dots)),
  };
}

/** Top left corner of a room's dot. */
export function dotAt(tiles: Tiles, tile: Tile, place: number): { readonly x: number; readonly y: number } {
  const dot = Math.floor(place / tiles.roomsPerDot);
  return {
    x: tile.x + PAD + (dot % tiles.dotsInRow) * tiles.step,
    y: tile.y + HEAD + Math.floor(dot / tiles.dotsInRow) * tiles.step,
  };
}

/** Which tile, and which place of it, is at a point. */
export function placeAt(
  tiles: Tiles,
  x: number,
  y: number,
): { readonly node: string; readonly place: number } | undefined {
  const tile = tiles.tiles.find(
    (one) => x >= one.x && x < one.x + tiles.tileWidth && y >= one.y && y < one.y + tiles.tileHeight,
  );
  if (tile === undefined) return undefined;
  const column = Math.floor((x - tile.x - PAD) / tiles.step);
  const row = Math.floor((y - tile.y - HEAD) / tiles.step);
  if (column < 0 || row < 0 || column >= tiles.dotsInRow) return { node: tile.node, place: -1 };
  return { node: tile.node, place: (row * tiles.dotsInRow + column) * tiles.roomsPerDot };
}
