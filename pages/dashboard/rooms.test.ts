import { describe, expect, it } from 'vitest';
import { linesOf } from './lines.ts';
import { RoomModel } from './rooms.ts';
import { EventParser } from './sse.ts';
import { dotAt, layTiles, placeAt } from './tiles.ts';

describe('RoomModel', () => {
  const placesOf = (model: RoomModel, node: string) =>
    Array.from({ length: model.count(node) }, (_, place) => model.room(node, place));

  it('keeps the places of a node without a hole', () => {
    const model = new RoomModel();
    model.replace({ n1: [0, 'room-1', 5, '2', 5, '3'], n2: [0, 'other'] }, []);
    expect(placesOf(model, 'n1')).toEqual(['room-1', 'room-2', 'room-3']);
    expect(model.move('room-1', 'n2')).toEqual({ room: 'room-1', from: 'n1', fromPlace: 0, to: 'n2', toPlace: 1 });
    expect([placesOf(model, 'n1'), placesOf(model, 'n2')]).toEqual([
      ['room-3', 'room-2'],
      ['other', 'room-1'],
    ]);
    expect(model.move('room-1', 'n2')).toBeUndefined();
    expect(model.nodeOf('room-3')).toBe('n1');
  });

  it('takes from a listing what moved, came and went, but nothing from a node that did not answer', () => {
    const model = new RoomModel();
    model.replace({ n1: [0, 'a', 0, 'b'], n2: [0, 'c'], n3: [0, 'd'] }, []);
    const moves = model.replace({ n1: [0, 'b', 0, 'c', 0, 'e'] }, ['n3']);
    expect(moves.map(({ room, from, to }) => [room, from, to])).toEqual([['c', 'n2', 'n1']]);
    expect([placesOf(model, 'n1').sort(), model.count('n2'), placesOf(model, 'n3')]).toEqual([
      ['b', 'c', 'e'],
      0,
      ['d'],
    ]);
    expect(model.size).toBe(4);
  });

  it('finds rooms by their beginning, then by what they contain', () => {
    const model = new RoomModel();
    model.replace({ n1: [0, 'chat-a', 0, 'the-chat', 0, 'other', 0, 'chat-b'] }, []);
    expect(model.find('chat', 3)).toEqual(['chat-a', 'chat-b', 'the-chat']);
    expect(model.find('chat', 1)).toEqual(['chat-a']);
  });
});

describe('the picture', () => {
  it.each([
    [1, 10, 360],
    [3, 700, 900],
    [100, 500, 880],
    [100, 20_000, 358],
  ])('of %i nodes with %i rooms at most keeps every dot in its tile, in %i pixels', (nodes, most, width) => {
    const names = Array.from({ length: nodes }, (_, i) => `n${i}`);
    const tiles = layTiles(names, most, width);
    for (const tile of [tiles.tiles[0], tiles.tiles.at(-1)]) {
      if (tile === undefined) throw new Error('there is no tile');
      expect(tile.x + tiles.tileWidth).toBeLessThanOrEqual(width);
      const last = dotAt(tiles, tile, most - 1);
      expect(last.x + tiles.dot).toBeLessThanOrEqual(tile.x + tiles.tileWidth);
      expect(last.y + tiles.dot).toBeLessThanOrEqual(tile.y + tiles.tileHeight);
      expect(placeAt(tiles, last.x + 1, last.y + 1)).toEqual({
        node: tile.node,
        place: Math.floor((most - 1) / tiles.roomsPerDot) * tiles.roomsPerDot,
      });
    }
  });
});

describe('the feed', () => {
  const moved = (id: number, from: string, to: string) => ({
    id,
    at: 10,
    kind: 'room.moved',
    room: `r${id}`,
    from,
    to,
  });

  it('tells of many rooms in one line, but not across what happened to a node', () => {
    const lost = { id: 4, at: 10, kind: 'node.lost', node: 'n3' };
    const events = [moved(1, 'n1', 'n2'), moved(2, 'n1', 'n3'), moved(3, 'n2', 'n1'), lost, moved(5, 'n1', 'n2')];
    const lines = linesOf(events, 10).map(({ event, times, to }) => [event.kind, event.from, times, [...to].sort()]);
    expect(lines).toEqual([
      ['room.moved', 'n1', 1, ['n2']],
      ['node.lost', undefined, 1, []],
      ['room.moved', 'n2', 1, ['n1']],
      ['room.moved', 'n1', 2, ['n2', 'n3']],
    ]);
    expect(linesOf(events, 2)).toHaveLength(2);
  });
});

describe('EventParser', () => {
  it('takes events however they are cut', () => {
    const text = 'event: tick\ndata: {"a":1}\n\n:\n\nevent: event\ndata: {"b":"\\n"}\n\n';
    const events = [
      { event: 'tick', data: '{"a":1}' },
      { event: 'event', data: '{"b":"\\n"}' },
    ];
    for (let size = 1; size < text.length; size++) {
      const parser = new EventParser();
      const heard = [];
      for (let at = 0; at < text.length; at += size) heard.push(...parser.push(text.slice(at, at + size)));
      expect(heard).toEqual(events);
    }
  });
});
