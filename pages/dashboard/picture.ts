/** Draws rooms by node: what lies still on one canvas, tile by tile as it changes, and what moves on another above it. Owns: both
 *  canvases and the rooms on their way. Does not know: where rooms are (rooms.ts), the layout (tiles.ts).
 *  Bounds: so many rooms on their way at once; the others are at their new place at once. Nothing is drawn while nothing changes. */
import type { RoomModel, RoomMove } from './rooms.ts';
import { dotAt, HEAD, layTiles, PAD, placeAt, type Tile, type Tiles } from './tiles.ts';

const FLIGHTS_MAX = 400;
const FLIGHT_MS = 900;
const SPREAD_MS = 250;
/** How long the dot of a room that has just moved is marked. */
const GLOW_MS = 2_500;

interface Flight {
  readonly move: RoomMove;
  /** It sets off a moment after others that move with it. */
  readonly startMs: number;
  isOver: boolean;
}

export interface PictureNode {
  readonly node: string;
  readonly state: string;
  /** As its heartbeat says; drawn where the rooms are not listed yet. */
  readonly rooms: number;
}

export class Picture {
  readonly #still: HTMLCanvasElement;
  readonly #moving: HTMLCanvasElement;
  readonly #model: RoomModel;
  #nodes: readonly PictureNode[] = [];
  #tiles: Tiles | undefined;
  #key = '';
  /** By room; those that have just arrived are marked for a while. */
  readonly #flights = new Map<string, Flight>();
  #frame = 0;
  #all = true;
  #colours: Readonly<Record<string, string>> = {};

  constructor(still: HTMLCanvasElement, moving: HTMLCanvasElement, model: RoomModel) {
    this.#still = still;
    this.#moving = moving;
    this.#model = model;
    this.recolour();
  }

  /** Colours have changed. */
  recolour(): void {
    const style = getComputedStyle(document.documentElement);
    const names = ['panel', 'sunk', 'line', 'ink', 'ink-2', 'ink-3', 'accent', 'warn', 'bad', 'dot'];
    this.#colours = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
    this.#all = true;
    this.#soon();
  }

  /** Shows these nodes, in this order, in so many pixels. @returns the height it takes */
  show(nodes: readonly PictureNode[], width: number): number {
    this.#nodes = nodes;
    const most = Math.max(0, ...nodes.map((node) => this.#shown(node)));
    // The size of dots follows what there is in steps, or every room that comes would move all others.
    const rounded = most <= 24 ? 24 : 2 ** (Math.ceil(Math.log2(most) * 4) / 4);
    const key = `${width} ${rounded} ${nodes.map(({ node, state, rooms }) => `${node}/${state}/${this.#model.size === 0 ? rooms : ''}`).join()}`;
    if (key !== this.#key || this.#tiles === undefined) {
      this.#key = key;
      this.#tiles = layTiles(
        nodes.map(({ node }) => node),
        rounded,
        width,
      );
      this.#all = true;
    }
    this.#soon();
    return this.#tiles.height;
  }

  /** A room is on its way. */
  moved(move: RoomMove): void {
    const isWatched = !document.hidden && !matchMedia('(prefers-reduced-motion: reduce)').matches;
    if (move.from !== undefined && isWatched && this.#flights.size < FLIGHTS_MAX) {
      this.#flights.set(move.room, { move, startMs: performance.now() + Math.random() * SPREAD_MS, isOver: false });
    }
    this.#soon();
  }

  /** The room whose dot is there, and how many that dot stands for. */
  at(
    x: number,
    y: number,
  ): { readonly node: string; readonly room: string | undefined; readonly rooms: number } | undefined {
    if (this.#tiles === undefined) return undefined;
    const found = placeAt(this.#tiles, x, y);
    if (found === undefined) return undefined;
    const room = found.place < 0 ? undefined : this.#model.room(found.node, found.place);
    return { node: found.node, room, rooms: this.#tiles.roomsPerDot };
  }

  get roomsPerDot(): number {
    return this.#tiles?.roomsPerDot ?? 1;
  }

  close(): void {
    cancelAnimationFrame(this.#frame);
  }

  #shown({ node, rooms }: PictureNode): number {
    return this.#model.size === 0 ? rooms : this.#model.count(node);
  }

  #soon(): void {
    if (this.#frame === 0) this.#frame = requestAnimationFrame(() => this.#draw());
  }

  #draw(): void {
    this.#frame = 0;
    const tiles = this.#tiles;
    if (tiles === undefined) return;
    const still = this.#prepared(this.#still, tiles);
    const moving = this.#prepared(this.#moving, tiles);
    if (still === undefined || moving === undefined) return;
    if (this.#all) still.clearRect(0, 0, tiles.width, tiles.height);
    for (const node of this.#nodes) {
      const tile = tiles.byNode.get(node.node);
      if (tile !== undefined && (this.#all || this.#model.dirty.has(node.node)))
        this.#drawTile(still, tiles, tile, node);
    }
    this.#model.dirty.clear();
    this.#all = false;
    this.#drawFlights(moving, tiles);
    if (this.#flights.size > 0 || this.#model.dirty.size > 0) this.#soon();
  }

  #prepared(canvas: HTMLCanvasElement, { width, height }: Tiles): CanvasRenderingContext2D | undefined {
    const scale = Math.min(2, window.devicePixelRatio || 1);
    const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
    if (canvas.width !== w || canvas.height !== h) {
      canvas.width = w;
      canvas.height = h;
      canvas.style.height = `${height}px`;
      this.#all = true;
    }
    const pen = canvas.getContext('2d') ?? undefined;
    pen?.setTransform(scale, 0, 0, scale, 0, 0);
    return pen;
  }

  #drawTile(pen: CanvasRenderingContext2D, tiles: Tiles, tile: Tile, node: PictureNode): void {
    const { tileWidth, tileHeight, dot, roomsPerDot } = tiles;
    const colours = this.#colours;
    pen.clearRect(tile.x - 1, tile.y - 1, tileWidth + 2, tileHeight + 2);
    pen.beginPath();
    pen.roundRect(tile.x + 0.5, tile.y + 0.5, tileWidth - 1, tileHeight - 1, 7);
    pen.fillStyle = colours['sunk'] ?? '';
    pen.fill();
    const mark = node.state === 'draining' ? colours['warn'] : node.state === 'active' ? undefined : colours['bad'];
    if (mark !== undefined) {
      pen.strokeStyle = mark;
      pen.stroke();
    }
    const shown = this.#shown(node);
    const number = shown.toLocaleString('en-US');
    pen.textBaseline = 'middle';
    pen.font = '12px ui-sans-serif, system-ui, sans-serif';
    pen.textAlign = 'right';
    pen.fillStyle = colours['ink-2'] ?? '';
    pen.fillText(number, tile.x + tileWidth - PAD, tile.y + HEAD / 2 + 1);
    const left = tileWidth - 2 * PAD - pen.measureText(number).width - 6;
    pen.font = '600 12px ui-sans-serif, system-ui, sans-serif';
    pen.textAlign = 'left';
    pen.fillStyle = mark ?? colours['ink'] ?? '';
    pen.fillText(fitting(pen, node.node, left), tile.x + PAD, tile.y + HEAD / 2 + 1);
    pen.fillStyle = mark ?? colours['dot'] ?? '';
    for (let place = 0; place < shown; place += roomsPerDot) {
      // One that is on its way is drawn there.
      const flight = roomsPerDot === 1 ? this.#flights.get(this.#model.room(node.node, place) ?? '') : undefined;
      if (flight?.isOver === false) continue;
      const { x, y } = dotAt(tiles, tile, place);
      if (dot < 9) pen.fillRect(x, y, dot, dot);
      else {
        pen.beginPath();
        pen.roundRect(x, y, dot, dot, 2.5);
        pen.fill();
      }
    }
  }

  #drawFlights(pen: CanvasRenderingContext2D, tiles: Tiles): void {
    const now = performance.now();
    pen.clearRect(0, 0, tiles.width, tiles.height);
    pen.fillStyle = this.#colours['accent'] ?? '';
    for (const [room, flight] of this.#flights) {
      const { move, startMs } = flight;
      const pastMs = Math.max(0, now - startMs);
      const to = tiles.byNode.get(move.to);
      if (to === undefined || pastMs > FLIGHT_MS + GLOW_MS) {
        this.#flights.delete(room);
        if (!flight.isOver) this.#model.dirty.add(move.to);
        continue;
      }
      if (!flight.isOver && pastMs >= FLIGHT_MS) {
        flight.isOver = true;
        this.#model.dirty.add(move.to);
      }
      const end = dotAt(tiles, to, this.#model.placeOf(room) ?? move.toPlace);
      const from = tiles.byNode.get(move.from ?? '');
      const start = from === undefined ? end : dotAt(tiles, from, move.fromPlace);
      const part = Math.min(1, pastMs / FLIGHT_MS);
      const eased = part < 0.5 ? 4 * part ** 3 : 1 - (-2 * part + 2) ** 3 / 2;
      const lift = Math.sin(Math.PI * part) * 18;
      pen.globalAlpha = flight.isOver ? 1 - (pastMs - FLIGHT_MS) / GLOW_MS : 1;
      pen.beginPath();
      const [x, y] = [start.x + (end.x - start.x) * eased, start.y + (end.y - start.y) * eased - lift];
      pen.roundRect(x, y, tiles.dot, tiles.dot, tiles.dot < 9 ? 0 : 2.5);
      pen.fill();
    }
    pen.globalAlpha = 1;
  }
}

function fitting(pen: CanvasRenderingContext2D, text: string, width: number): string {
  if (pen.measureText(text).width <= width) return text;
  let kept = text;
  while (kept.length > 1 && pen.measureText(`${kept}…`).width > width) kept = kept.slice(0, -1);
  return `${kept}…`;
}
