/** A router without its sockets: finds each room's owner, seats its clients there, carries what is said, and follows the room when it
 *  moves. Owns: routes, sessions and their order of events. Does not know: TCP, HTTP, Redis; the simulator runs this very class.
 *  Invariants: a router never claims; nothing of a lower epoch is shown after a higher one; a frame of a client is forwarded in
 *  order and kept until an owner has acked it.
 *  @see DESIGN §4 Routers, §5, §6 */
import type { Instant } from '../shared/clock.ts';
import { tagOf } from '../shared/directory/directory.ts';
import type { Bind, Cast, LinkMessage, Moved, Opened, Refused } from '../shared/link/messages.ts';
import { jittered } from '../shared/random.ts';
import { Bindings } from './bindings.ts';
import * as bounds from './bounds.ts';
import { GoneSessions } from './gone.ts';
import { Locator } from './locator.ts';
import type { RouterCoreOptions } from './options.ts';
import type { AcceptedClient, ClientClose, RouterPorts } from './ports.ts';
import { Reading } from './reading.ts';
import { type Binding, type Holder, newRoute, type Route, RouteCache, type RouteState } from './route.ts';
import { ClientSession, type SendTo } from './session.ts';
import { MOVED_AWAY, REFUSED_FOR_GOOD, TOO_LARGE, type TurnAwayCode, turnedAway } from './turn-away.ts';

export class RouterCore {
  readonly #options: RouterCoreOptions;
  readonly #ports: RouterPorts;
  readonly #routes = new Map<string, Route>();
  readonly #sessions = new Map<number, { readonly session: ClientSession; readonly route: Route }>();
  readonly #links = new Set<string>();
  readonly #bindings = new Bindings();
  readonly #cache = new RouteCache(bounds.CACHE_MAX);
  readonly #gone = new GoneSessions();
  readonly #locator: Locator;
  readonly #reading: Reading;
  /** Routes that are not bound: the only ones that time moves. */
  readonly #unsettled = new Set<Route>();
  /** Sessions of bound rooms that were asked to wait: when each is named in an OPEN again, monotonic ms. */
  readonly #retries = new Map<number, number>();
  readonly #sendFrame: SendTo = (frame, at) => this.#ports.send(at.node, at.incarnation, frame);
  #groups = 0;
  #serials = 0;

  constructor(options: RouterCoreOptions, ports: RouterPorts) {
    this.#options = options;
    this.#ports = ports;
    this.#reading = new Reading(ports);
    this.#locator = new Locator(options, ports, {
      cache: this.#cache,
      isLinked: (incarnation) => this.#links.has(incarnation),
      to: (route, state) => this.#to(route, state),
      openAll: (route, at) => this.#openAll(route, at),
      wait: (route, ms, on, now) => this.#wait(route, ms, on, now),
      pause: (route, now) => this.#pause(route, now),
      refuseNew: (route) => this.#refuseNew(route, 'redis_unavailable'),
    });
  }

  get #openMs(): number {
    return this.#options.timings.deadMs + bounds.OPEN_EXTRA_MS;
  }

  get rooms(): number {
    return this.#routes.size;
  }

  get sessions(): number {
    return this.#sessions.size;
  }

  /** Where a room is bound from here now. */
  boundAt(room: string): Holder | undefined {
    const state = this.#routes.get(room)?.state;
    return state?.kind === 'bound' ? state.at : undefined;
  }

  cachedAt(room: string): Holder | undefined {
    return this.boundAt(room) ?? this.#cache.get(room, this.#options.now().monoMs, this.#options.timings.routeCacheMs);
  }

  /** Highest epoch an owner told this router for the room. */
  floor(room: string): number {
    return this.#routes.get(room)?.floor ?? this.#cache.floor(room);
  }

  // --- clients -------------------------------------------------------------------------------------------------------------------

  /** A client is accepted under `handle` and wants its seat. */
  clientOpened(handle: number, client: AcceptedClient, now: Instant): void {
    const session = new ClientSession(handle, client, now.monoMs + this.#openMs);
    let route = this.#routes.get(client.room);
    if (route === undefined) {
      route = newRoute(client.room);
      route.floor = this.#cache.floor(client.room);
      this.#routes.set(client.room, route);
      this.#unsettled.add(route);
    }
    route.sessions.set(handle, session);
    this.#sessions.set(handle, { session, route });
    if (route.state.kind === 'bound') this.#openSome(route, route.state.at, [session]);
    else if (route.state.kind === 'idle') this.#locator.locate(route, now);
  }

  clientFrame(handle: number, payload: Buffer): void {
    const entry = this.#sessions.get(handle);
    if (entry === undefined) return;
    const { session, route } = entry;
    if (session.isWornOut)
      return this.#closeClient(session, route, { code: 1012, reason: 'resume, please', retryAfterMs: 0 });
    this.#ports.count('messages_in');
    session.take(payload);
    if (!session.isTimed) session.time(this.#options.now().monoMs);
    if (session.state === 'seated' && route.state.kind === 'bound') session.sendUnsent(this.#sendFrame, route.state.at);
    this.#reading.taken(session);
  }

  clientClosed(handle: number, how: 'left' | 'broken'): void {
    const entry = this.#sessions.get(handle);
    if (entry === undefined) return;
    this.#tellGone(entry.session, entry.route, how);
    this.#remove(entry.session, entry.route);
  }

  /** Tells whoever may have a session that its client has gone. One that waits for another seat may still have its last one, and one
   *  whose OPEN was answered too late, or not, may have been seated by it: it would be a member for as long as the link lasts. */
  #tellGone(session: ClientSession, route: Route, how: 'left' | 'broken'): void {
    const { handle, askedOf } = session;
    const now = session.state === 'pending' ? undefined : this.#holder(route);
    const holders = [now, session.everSeated ? route.last : undefined, askedOf].flatMap((at) => at ?? []);
    for (const [incarnation, { node }] of new Map(holders.map((at) => [at.incarnation, at]))) {
      this.#ports.send(node, incarnation, { type: 'close-session', session: handle, how });
    }
    if (session.state === 'asked' || askedOf !== undefined) this.#gone.remember(handle, how);
  }

  #to(route: Route, state: RouteState): void {
    route.state = state;
    if (state.kind === 'bound') this.#unsettled.delete(route);
    else this.#unsettled.add(route);
  }

  #holder(route: Route): Holder | undefined {
    return route.state.kind === 'bound' || route.state.kind === 'opening' ? route.state.at : undefined;
  }

  #remove(session: ClientSession, route: Route): void {
    this.#sessions.delete(session.handle);
    this.#reading.forget(session);
    this.#retries.delete(session.handle);
    route.sessions.delete(session.handle);
    if (route.state.kind === 'bound' && session.state === 'seated')
      this.#ports.leave(route.state.group, session.handle);
    if (route.sessions.size > 0) return this.#askForRest(route);
    this.#unbind(route);
    this.#locator.forget(route);
    this.#unsettled.delete(route);
    route.state = { kind: 'idle' };
    this.#routes.delete(route.room);
  }

  /** Who came while an OPEN of others was under way waits for its answer, which is for nobody when those others have gone. */
  #askForRest(route: Route): void {
    if (route.state.kind !== 'opening') return;
    const rest = [...route.sessions.values()];
    if (rest.every((session) => session.state === 'pending')) this.#openSome(route, route.state.at, rest);
  }

  #closeClient(session: ClientSession, route: Route, how: ClientClose): void {
    if (session.state === 'asked') this.#gone.remember(session.handle, session.mayComeBack ? 'broken' : 'left');
    this.#close(session, route, how);
  }

  #close(session: ClientSession, route: Route, how: ClientClose): void {
    this.#remove(session, route);
    this.#ports.close(session.handle, how);
  }

  #turnAway(session: ClientSession, route: Route, code: TurnAwayCode): void {
    this.#tellGone(session, route, session.mayComeBack ? 'broken' : 'left');
    this.#close(session, route, turnedAway(code, this.#options));
  }

  // --- being seated ----------------------------------------------------------------------------------------------------------------

  /** Turns away those who never had a seat; the others wait. */
  #refuseNew(route: Route, code: TurnAwayCode): void {
    for (const session of [...route.sessions.values()]) {
      if (!session.everSeated) this.#turnAway(session, route, code);
    }
  }

  #pause(route: Route, now: Instant): void {
    const step = bounds.PAUSES_MS[Math.min(route.pauses, bounds.PAUSES_MS.length - 1)] ?? 200;
    route.pauses++;
    this.#wait(route, jittered(this.#options.random, step, 0.3), undefined, now);
  }

  #wait(route: Route, ms: number, on: Holder | undefined, now: Instant): void {
    this.#unbind(route);
    for (const session of route.sessions.values()) session.state = 'pending';
    this.#to(route, { kind: 'waiting', untilMs: now.monoMs + ms, on });
  }

  /** Asks a node to seat every session the room has here. */
  #openAll(route: Route, at: Holder): void {
    this.#unbind(route);
    this.#locator.forget(route);
    this.#to(route, { kind: 'idle' });
    this.#cutTied(route, at);
    if (route.sessions.size === 0) return;
    for (const session of route.sessions.values()) session.state = 'pending';
    this.#to(route, { kind: 'opening', at, sinceMs: this.#options.now().monoMs });
    this.#openSome(route, at, [...route.sessions.values()]);
  }

  /** Sockets that are piped to the server of one owner cannot be another's: they are closed, and their clients come back. */
  #cutTied(route: Route, to: Holder | undefined): void {
    for (const session of [...route.sessions.values()]) {
      if (session.tiedTo !== undefined && session.tiedTo !== to?.incarnation) {
        this.#closeClient(session, route, MOVED_AWAY);
      }
    }
  }

  #openSome(route: Route, at: Holder, sessions: readonly ClientSession[]): void {
    this.#ports.count('opens');
    const serial = ++this.#serials % bounds.SERIALS;
    const sent = this.#ports.send(at.node, at.incarnation, {
      ...{ type: 'open', room: route.room, floor: route.floor, serial },
      ...(route.cursor === undefined ? {} : { cursor: route.cursor }),
      ...(this.#options.mayCauseClaims() ? {} : { heldOnly: true }),
      ...this.#locator.lostOf(route),
      sessions: sessions.map((session) => session.opening()),
    });
    if (sent) for (const session of sessions) session.asked(serial, at);
    else if (route.state.kind === 'opening') this.#wait(route, bounds.WAIT_ON_MS, at, this.#options.now());
    else for (const session of sessions) this.#retryLater(session, this.#options.now());
  }

  /** One session of a bound room could not be seated now; the others stay as they are. */
  #retryLater(session: ClientSession, now: Instant): void {
    session.state = 'pending';
    this.#retries.set(session.handle, now.monoMs + jittered(this.#options.random, 100, 0.5));
  }

  // --- links and nodes -------------------------------------------------------------------------------------------------------------

  linkUp(at: Holder, now: Instant): void {
    this.#links.add(at.incarnation);
    for (const route of this.#routes.values()) {
      if (route.state.kind !== 'waiting') continue;
      if (route.state.on === undefined || route.state.on.incarnation === at.incarnation)
        this.#locator.locate(route, now);
    }
  }

  linkDown(at: Holder, now: Instant): void {
    if (!this.#links.delete(at.incarnation)) return;
    this.#reading.eased(at);
    this.#bindings.forget(at);
    this.#options.pollSoon();
    for (const route of this.#routes.values()) {
      if (this.#holder(route)?.incarnation === at.incarnation) this.#lost(route, at, now);
    }
  }

  /** Much waits for this node, or little again: its clients are not read from meanwhile. */
  linkPressed(at: Holder, isPressed: boolean): void {
    if (!isPressed) this.#reading.eased(at);
    else if (this.#links.has(at.incarnation)) this.#reading.pressed(at, this.#routes.values());
  }

  /** A client's frame is larger than its node takes. */
  undeliverable(handle: number): void {
    const entry = this.#sessions.get(handle);
    if (entry === undefined) return;
    const { code, reason } = TOO_LARGE;
    this.clientClosed(handle, 'broken');
    this.#ports.close(handle, { code, reason, error: { code: 'too_large', message: reason, retryable: false } });
  }

  /** The link's queue has room again: what was not sent for want of it goes out. */
  linkDrained(at: Holder): void {
    for (const route of this.#routes.values()) {
      if (route.state.kind !== 'bound' || route.state.at.incarnation !== at.incarnation) continue;
      for (const session of route.sessions.values()) {
        if (session.state === 'seated') session.sendUnsent(this.#sendFrame, at);
      }
    }
  }

  /** An incarnation is dead or has left, and that is final: its rooms look for another owner. */
  nodeCertified(at: Holder, now: Instant): void {
    this.#ports.send(at.node, at.incarnation, {
      type: 'goaway',
      reason: 'certified',
      text: 'this incarnation is certified',
    });
    this.#letGo(at, now);
  }

  /** An incarnation whose record Redis has lost has not come back: it may be alive, cut off from Redis, and its lease has ended. */
  nodeForgotten(at: Holder, now: Instant): void {
    this.#letGo(at, now);
  }

  #letGo(at: Holder, now: Instant): void {
    this.#ports.dropLink(at.node, at.incarnation);
    this.#links.delete(at.incarnation);
    this.#reading.eased(at);
    this.#bindings.forget(at);
    for (const route of this.#routes.values()) {
      const waitsOn = route.state.kind === 'waiting' ? route.state.on : undefined;
      const holder = this.#holder(route) ?? waitsOn;
      if (holder?.incarnation !== at.incarnation) continue;
      if (waitsOn === undefined) this.#lost(route, at, now);
      // Its record still names the dead: whoever placement puts first reads that, and claims.
      this.#locator.openAtCandidate(route, now);
    }
  }

  #lost(route: Route, at: Holder, now: Instant): void {
    route.lostMs ??= now.monoMs;
    this.#wait(route, bounds.WAIT_ON_MS, at, now);
  }

  // --- what owners say -------------------------------------------------------------------------------------------------------------

  /** Takes one message of a link. */
  message(at: Holder, message: LinkMessage, now: Instant): void {
    if (!this.#links.has(at.incarnation)) return;
    switch (message.type) {
      case 'cast':
        return this.#cast(at, message);
      case 'direct': {
        const entry = this.#sessions.get(message.session);
        if (entry === undefined) return;
        const from = this.#holder(entry.route) ?? entry.route.last;
        if (from?.incarnation !== at.incarnation || entry.session.state === 'pending') return;
        if (!entry.session.everSeated) return entry.session.tell(message.frame);
        this.#ports.count('messages_out');
        return this.#ports.direct(message.session, message.frame, message.ephemeral);
      }
      case 'acks':
        for (const { session, cseq } of message.entries) this.#acked(at, session, cseq);
        return;
      case 'bind':
        return this.#bind(at, message);
      case 'opened':
        return this.#opened(at, message, now);
      case 'refused':
        return this.#refused(at, message, now);
      case 'moved':
        return this.#moved(at, message, now);
      case 'gone': {
        const route = this.#bindings.get(at, message.room)?.route;
        if (route === undefined) return;
        for (const session of [...route.sessions.values()]) {
          this.#closeClient(session, route, { code: message.code, reason: message.reason });
        }
        return;
      }
      case 'close-client': {
        const entry = this.#sessions.get(message.session);
        if (entry === undefined || this.#holder(entry.route)?.incarnation !== at.incarnation) return;
        return this.#closeClient(entry.session, entry.route, { code: message.code, reason: message.reason });
      }
      default: // The link's own business, or not for a router.
        return;
    }
  }

  #cast(at: Holder, message: Cast): void {
    const binding = this.#bindings.get(at, message.room);
    const route = binding?.route;
    // Also while nobody here is bound by it yet: whoever is, later, has been told of this by its welcome.
    if (binding !== undefined && message.class === 'message') binding.head = message.seq;
    if (binding === undefined || route?.state.kind !== 'bound' || route.state.handle !== message.room) {
      this.#ports.count('stale_frames_dropped');
      return;
    }
    if (message.class === 'message') route.cursor = { seq: message.seq, tag: binding.tag };
    this.#ports.cast(binding.group, message.frame, message.excluded, message.class);
  }

  #acked(at: Holder, handle: number, cseq: number): void {
    const entry = this.#sessions.get(handle);
    if (entry === undefined || (this.#holder(entry.route) ?? entry.route.last)?.incarnation !== at.incarnation) return;
    const { session } = entry;
    // As with what it answers: a session that waits for another seat is told neither.
    if (session.state === 'pending') return;
    session.acked(cseq);
    const takenMs = session.timedBy(cseq);
    if (takenMs !== undefined) this.#ports.observe('message_ms', this.#options.now().monoMs - takenMs);
    this.#reading.acked(session);
  }

  #bind(at: Holder, message: Bind): void {
    const route = this.#routes.get(message.room);
    if (route === undefined || this.#holder(route)?.incarnation !== at.incarnation) return;
    if (message.epoch < route.floor || message.incarnation !== at.incarnation) {
      this.#ports.count('stale_frames_dropped');
      return;
    }
    const { epoch, head } = message;
    this.#bindings.set(at, message.handle, { route, group: ++this.#groups, epoch, tag: tagOf(message), head });
  }

  #opened(at: Holder, message: Opened, now: Instant): void {
    const entry = this.#sessions.get(message.session);
    if (entry === undefined) {
      const how = this.#gone.take(message.session);
      this.#ports.send(at.node, at.incarnation, { type: 'close-session', session: message.session, how });
      return;
    }
    const { session, route } = entry;
    if (!session.answered(message.serial)) {
      if (this.#holder(route)?.incarnation === at.incarnation) session.dropTold();
      return;
    }
    const binding = this.#bindings.get(at, message.room);
    if (binding === undefined || binding.route !== route || this.#holder(route)?.incarnation !== at.incarnation) {
      this.#ports.send(at.node, at.incarnation, { type: 'close-session', session: message.session, how: 'detached' });
      if (route.state.kind === 'opening' && route.state.at.incarnation === at.incarnation) this.#pause(route, now);
      else if (this.#holder(route)?.incarnation === at.incarnation && session.state === 'asked')
        this.#retryLater(session, now);
      return;
    }
    const { attended } = this.#options;
    if (attended !== undefined && attended.isAttendant(at) !== (session.client.attended === true)) {
      // Since it was taken on, the room has got another program, which wants other sockets.
      this.clientClosed(session.handle, 'left');
      return this.#ports.close(session.handle, MOVED_AWAY);
    }
    const rebound = session.everSeated;
    if (route.state.kind !== 'bound' || route.state.handle !== message.room) {
      // The reset comes as a cast of its own: until then the old cursor counts.
      if (!rebound || message.verdict !== 'reset') route.cursor = { seq: binding.head, tag: binding.tag };
      this.#bound(route, at, message.room, binding, now);
    }
    session.seat();
    this.#ports.join(binding.group, session.handle);
    if (rebound) this.#ports.count('rebinds');
    else this.#ports.observe('open_ms', now.monoMs - (session.openByMs - this.#openMs));
    for (const frame of session.takeTold()) this.#ports.direct(session.handle, frame, false);
    session.acked(message.cseq);
    session.sendAll(this.#sendFrame, at, rebound);
    this.#reading.acked(session);
    this.#reading.seated(session, at);
    if (rebound || session.client.attended !== true) return;
    session.tiedTo = at.incarnation;
    attended?.seated(session.handle, at, binding.epoch);
  }

  #bound(route: Route, at: Holder, handle: number, binding: Binding, now: Instant): void {
    this.#forgetBinding(route);
    const from = route.last;
    this.#to(route, { kind: 'bound', at, handle, group: binding.group });
    route.last = at;
    route.floor = Math.max(route.floor, binding.epoch);
    route.hops = 0;
    route.pauses = 0;
    route.avoid.clear();
    this.#cache.put(route.room, at, route.floor, now.monoMs);
    if (route.lostMs !== undefined) {
      this.#ports.observe('takeover_ms', now.monoMs - route.lostMs);
      route.lostMs = undefined;
    }
    if (from?.incarnation !== at.incarnation) this.#options.onMove?.(route.room, from, at, binding.epoch);
    const late = [...route.sessions.values()].filter((session) => session.state === 'pending');
    if (late.length > 0) this.#openSome(route, at, late);
  }

  /** Takes every session of the room off its binding; sockets stay open. */
  #unbind(route: Route): void {
    if (route.state.kind !== 'bound') return;
    const { group } = route.state;
    const openByMs = this.#options.now().monoMs + bounds.REBIND_WAIT_MS;
    for (const session of route.sessions.values()) {
      if (session.everSeated) session.openByMs = openByMs;
      if (session.state !== 'seated') continue;
      this.#ports.leave(group, session.handle);
      session.state = 'asked';
    }
    this.#forgetBinding(route);
  }

  #forgetBinding(route: Route): void {
    if (route.state.kind === 'bound') this.#bindings.delete(route.state.at, route.state.handle);
  }

  #refused(at: Holder, message: Refused, now: Instant): void {
    this.#ports.count('refusals');
    this.#gone.take(message.session);
    const entry = this.#sessions.get(message.session);
    if (entry === undefined) return;
    const { session, route } = entry;
    // With a text it is about a frame, not an OPEN: it tells something only while the seat is thought to be held.
    if (message.text === undefined ? !session.answered(message.serial ?? 0) : session.state !== 'seated') {
      if (message.text === undefined && this.#holder(route)?.incarnation === at.incarnation) session.dropTold();
      return;
    }
    if (this.#holder(route)?.incarnation !== at.incarnation) return;
    if (message.seat !== undefined && message.seat > session.client.seat) {
      session.raise(message.seat);
      return this.#openSome(route, at, [session]);
    }
    switch (message.reason) {
      case 'replaced':
      case 'failed':
      case 'unauthorised':
        return this.#closeClient(session, route, REFUSED_FOR_GOOD[message.reason]);
      case 'full':
        return this.#turnAway(session, route, 'room_full');
      case 'not-owner':
        return this.#follow(route, message.hint, now);
      case 'draining':
        route.avoid.add(at.node);
        return this.#follow(route, message.hint, now);
      case 'wait':
        if (route.state.kind === 'bound') return this.#retryLater(session, now);
        return this.#pause(route, now);
      case 'unavailable':
        if (this.#options.redisFailed()) this.#refuseNew(route, 'redis_unavailable');
        if (route.sessions.size === 0) return;
        if (route.state.kind !== 'bound') return this.#pause(route, now);
        if (route.sessions.has(session.handle)) this.#retryLater(session, now);
        return;
      default:
        message.reason satisfies never;
    }
  }

  /** A redirection: at most three in a row before a pause. */
  #follow(route: Route, hint: Refused['hint'], now: Instant): void {
    route.hops++;
    this.#ports.count('hops');
    this.#cache.forgetPlace(route.room);
    if (hint !== undefined) route.floor = Math.max(route.floor, hint.epoch);
    if (route.hops > (this.#options.hopsMax ?? bounds.HOPS_MAX)) {
      route.hops = 0;
      return this.#pause(route, now);
    }
    if (hint !== undefined && this.#locator.reachable(hint))
      return this.#openAll(route, { node: hint.node, incarnation: hint.incarnation });
    this.#unbind(route);
    for (const session of route.sessions.values()) session.state = 'pending';
    this.#locator.lookUp(route);
  }

  #moved(at: Holder, message: Moved, now: Instant): void {
    const binding = this.#bindings.get(at, message.room);
    if (binding === undefined) return;
    const { route } = binding;
    if (route.state.kind !== 'bound' || route.state.handle !== message.room) {
      this.#bindings.delete(at, message.room);
      return;
    }
    const { to } = message;
    if (to?.incarnation !== at.incarnation) {
      route.lostMs ??= now.monoMs;
      this.#cutTied(route, to);
      if (route.sessions.size === 0) return;
    }
    route.floor = Math.max(route.floor, message.epoch);
    this.#cache.forgetPlace(route.room);
    if (to !== undefined && this.#locator.reachable(to)) return this.#openAll(route, to);
    this.#follow(route, undefined, now);
  }

  // --- time ------------------------------------------------------------------------------------------------------------------------

  /** Looks again at what waits, and turns away who has waited long enough. */
  tick(now: Instant): void {
    this.#options.renewal?.tick(this.#sessions, now);
    for (const route of [...this.#unsettled]) {
      this.#expire(route, now);
      if (route.state.kind === 'waiting' && now.monoMs >= route.state.untilMs) this.#locator.locate(route, now);
      // An answer can be lost at a gate that shut: whoever still waits asks again.
      else if (route.state.kind === 'opening' && now.monoMs - route.state.sinceMs > this.#openMs) {
        this.#pause(route, now);
      }
    }
    for (const [handle, atMs] of this.#retries) {
      if (now.monoMs < atMs) continue;
      this.#retries.delete(handle);
      const entry = this.#sessions.get(handle);
      if (entry?.session.state !== 'pending' || entry.route.state.kind !== 'bound') continue;
      if (now.monoMs < entry.session.openByMs) this.#openSome(entry.route, entry.route.state.at, [entry.session]);
      else this.#turnAway(entry.session, entry.route, 'unavailable');
    }
  }

  #expire(route: Route, now: Instant): void {
    const away = this.#options.redisFailed();
    for (const session of [...route.sessions.values()]) {
      // While Redis is away nobody who had a seat is sent off: nothing else would serve them better.
      if (session.everSeated && away) session.openByMs = now.monoMs + bounds.REBIND_WAIT_MS;
      if (now.monoMs < session.openByMs) continue;
      this.#turnAway(session, route, 'unavailable');
    }
  }
}
