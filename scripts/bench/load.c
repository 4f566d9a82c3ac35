/* The load of a bench cell, cheap enough to stand beside the servers it measures. Owns: connecting, publishing at a fixed rate,
 * counting every delivery (each exactly once) and its latency. Does not know: which system it talks to, only how its text is framed.
 * One thread, epoll, raw sockets; nothing but 127.0.0.1. Arguments are key=value (see load-plan.ts); it writes one JSON object a
 * line: `connected`, `ready` (then it waits for a line on stdin, or ends with it), `result`.
 * Invariant: a message carries the moment it was due, less one tick at most, so a late generator makes latency worse, not better. */
#define _GNU_SOURCE
#include "load-client.h"

/* Deliveries that what was sent so far comes to, and members of each room that read. */
static uint64_t expected;
static int *readers;

/* One look at all sockets. @returns how many had something to say, EVENTS at most */
static int poll_all(int timeout_ms) {
  static struct epoll_event events[EVENTS];
  int n = epoll_wait(epfd, events, EVENTS, timeout_ms);
  for (int k = 0; k < n; k++) {
    if (events[k].data.u32 == UINT32_MAX) {
      char line[64];
      if (read(0, line, sizeof line) <= 0) exit(0);
      go = 1;
      continue;
    }
    struct client *c = clients + events[k].data.u32;
    if (c->state == CLOSED) continue;
    if (c->state == CONNECTING) {
      upgrade(c);
      continue;
    }
    if (events[k].events & EPOLLOUT && c->out_len > 0) flush_out(c);
    if (c->state == CLOSED) continue;
    if (c->is_stalled && c->state == JOINED && !c->is_awake) drop(c, "hung up");
    else if (events[k].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) on_readable(c);
  }
  return n;
}

static void sleep_until(uint64_t us) {
  struct timespec t = {.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void connect_all(void) {
  uint64_t began = now_us(), cpu = cpu_us();
  while (joined < plan.clients) {
    while (opened < plan.clients && opened - joined < plan.concurrency) dial(clients + opened++);
    poll_all(100);
    if (now_us() - began > (uint64_t)plan.patience * 1000000)
      die("only %d of %d clients could join in %d s", joined, plan.clients, plan.patience);
  }
  printf("{\"type\":\"connected\",\"seconds\":%.6f,\"cpuUs\":%llu}\n", (double)(now_us() - began) / 1e6,
         (unsigned long long)(cpu_us() - cpu));
  fflush(stdout);
}

/* Who says message `n` of a room: its speakers take turns; one that has stalled says nothing. */
static struct client *speaker(int room, uint64_t n) {
  struct client *first = clients + (uint64_t)room * (uint64_t)plan.members;
  uint64_t speakers = (uint64_t)(plan.speakers > 0 ? plan.speakers : plan.members);
  for (uint64_t tried = 0; tried < speakers; tried++)
    if (!first[(n + tried) % speakers].is_stalled) return first + (n + tried) % speakers;
  die("nobody in room %d can speak", room);
  return first;
}

/* Message `k` of this phase: the rooms take turns. */
static int publish(uint64_t k, uint64_t due) {
  static char text[65536];
  int room = (int)(k % (uint64_t)plan.rooms);
  uint64_t n = k / (uint64_t)plan.rooms;
  struct client *c = speaker(room, n);
  size_t at = 0;
  if (envelope == BELLHOP) at = (size_t)sprintf(text, "{\"type\":\"publish\",\"id\":%u,\"data\":\"", ++c->published);
  if (envelope == SOCKETIO) at = (size_t)sprintf(text, "42[\"m\",\"");
  size_t data = at;
  memset(text + at, '.', (size_t)plan.bytes);
  memcpy(text + at, MARK, MARK_LEN);
  at += MARK_LEN;
  text[at++] = (char)('0' + phase);
  put_digits(text + at, 12, due % STAMP_WRAP);
  put_digits(text + at + 12, 6, (uint64_t)c->room);
  put_digits(text + at + 18, 8, n);
  at = data + (size_t)plan.bytes;
  if (envelope == BELLHOP) at += (size_t)sprintf(text + at, "\"}");
  if (envelope == SOCKETIO) at += (size_t)sprintf(text + at, "\"]");
  if (!put_frame(c, 1, text, at)) return 0;
  expected += (uint64_t)readers[room];
  return 1;
}

struct window { uint64_t sent, in_time, cpu, wall; };

static struct window run(int which, int seconds) {
  struct window w = {0};
  uint64_t total = (uint64_t)plan.rate * (uint64_t)seconds, tick = (uint64_t)plan.tick, k = 0;
  if (plan.messages > 0 && total > (uint64_t)plan.messages) total = (uint64_t)plan.messages;
  phase = which;
  deliveries = unsent = expected = 0;
  uint64_t cpu = cpu_us(), began = now_us(), next = began, end = began + (uint64_t)seconds * 1000000;
  for (;;) {
    uint64_t now = now_us();
    for (int burst = 0; k < total && burst < EVENTS; burst++) {
      uint64_t due = began + k * 1000000 / (uint64_t)plan.rate;
      if (due > now) break;
      if (!publish(k, now - due <= tick ? now : due + tick)) unsent++;
      k++;
    }
    while (poll_all(0) == EVENTS) continue;
    mind_stalled();
    now = now_us();
    if (now >= end && w.wall == 0) {
      w.wall = now - began;
      w.in_time = deliveries;
      w.cpu = cpu_us() - cpu;
    }
    if (w.wall != 0 && k == total && deliveries >= expected) break;
    if (now > end + (uint64_t)plan.drain * 1000000) break;
    next += tick;
    if (next > now) sleep_until(next);
    else next = now;
  }
  w.sent = k - unsent;
  return w;
}

static void configure(int argc, char **argv) {
  const char *headers = NULL;
  struct { const char *key; int *value; } numbers[] = {
      {"clients", &plan.clients}, {"members", &plan.members}, {"bytes", &plan.bytes},   {"rate", &plan.rate},
      {"seconds", &plan.seconds}, {"warm", &plan.warm},       {"settle", &plan.settle}, {"drain", &plan.drain},
      {"concurrency", &plan.concurrency}, {"tick", &plan.tick}, {"stalled", &plan.stalled}, {"wake", &plan.wake},
      {"wakeTo", &plan.wake_to},
      {"stay", &plan.stay}, {"speakers", &plan.speakers}, {"messages", &plan.messages}, {"first", &plan.first},
      {"patience", &plan.patience}};
  plan.patience = 120;
  for (int i = 1; i < argc; i++) {
    char *value = strchr(argv[i], '=');
    if (value == NULL) die("not key=value: %s", argv[i]);
    *value++ = 0;
    if (strcmp(argv[i], "path") == 0) path = value;
    if (strcmp(argv[i], "source") == 0) source = value;
    if (strcmp(argv[i], "headers") == 0) headers = value;
    if (strcmp(argv[i], "envelope") == 0)
      envelope = strcmp(value, "bellhop") == 0 ? BELLHOP : strcmp(value, "socketio") == 0 ? SOCKETIO : RAW;
    if (strcmp(argv[i], "ports") == 0)
      for (char *p = strtok(value, ","); p != NULL && plan.n_ports < PORTS; p = strtok(NULL, ",")) plan.ports[plan.n_ports++] = atoi(p);
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
      if (strcmp(argv[i], numbers[k].key) == 0) *numbers[k].value = atoi(value);
  }
  if (plan.clients < 1 || plan.members < 1 || plan.n_ports < 1 || plan.tick < 1 || plan.bytes < STAMP_LEN || plan.bytes > 60000)
    die("the plan is not whole");
  plan.rooms = plan.clients / plan.members;
  if (plan.rooms < 1 || plan.rooms * plan.members != plan.clients) die("clients must be a multiple of members");
  if (plan.stalled < 0 || plan.stalled >= plan.clients || plan.speakers > plan.members) die("too many stalled or speaking");
  if (headers != NULL) read_own_lines(headers);
  room_messages = (uint32_t)((uint64_t)plan.rate * (uint64_t)plan.seconds / (uint64_t)plan.rooms + 1);
}

static void raise_files(void) {
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) < 0) return;
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

int main(int argc, char **argv) {
  configure(argc, argv);
  raise_files();
  epfd = epoll_create1(0);
  clients = calloc((size_t)plan.clients, sizeof *clients);
  readers = calloc((size_t)plan.rooms, sizeof *readers);
  if (epfd < 0 || clients == NULL || readers == NULL) die("out of memory");
  for (int i = 0; i < plan.clients; i++) {
    clients[i].room = (plan.first + i) / plan.members;
    /* Evenly among all, never the first. */
    clients[i].is_stalled = (int64_t)(i + 1) * plan.stalled / plan.clients != (int64_t)i * plan.stalled / plan.clients;
    readers[i / plan.members] += !clients[i].is_stalled;
    clients[i].seen = calloc(room_messages / 8 + 1, 1);
    if (clients[i].seen == NULL) die("out of memory");
  }
  connect_all();
  struct epoll_event input = {.events = EPOLLIN, .data.u32 = UINT32_MAX};
  if (epoll_ctl(epfd, EPOLL_CTL_ADD, 0, &input) < 0) die("stdin: %s", strerror(errno));
  for (uint64_t end = now_us() + (uint64_t)plan.settle * 1000; now_us() < end;) poll_all(20);
  run(0, plan.warm);
  puts("{\"type\":\"ready\"}");
  fflush(stdout);
  while (!go) poll_all(100);
  struct window w = run(1, plan.seconds);
  printf("{\"type\":\"result\",\"sent\":%llu,\"unsent\":%llu,\"deliveries\":%llu,\"expected\":%llu,\"inTime\":%llu,"
         "\"duplicates\":%llu,\"foreign\":%llu,\"lost\":%d,\"seconds\":%.6f,\"cpuUs\":%llu,\"p50Ms\":%.3f,\"p99Ms\":%.3f,\"p999Ms\":%.3f,"
         "\"stalled\":{\"noticed\":%d,\"slow\":%d,\"other\":%d,\"cut\":%d,\"again\":%d}}\n",
         (unsigned long long)w.sent, (unsigned long long)unsent, (unsigned long long)deliveries,
         (unsigned long long)expected, (unsigned long long)w.in_time, (unsigned long long)duplicates,
         (unsigned long long)foreign, lost, (double)w.wall / 1e6, (unsigned long long)w.cpu, percentile(0.5), percentile(0.99), percentile(0.999),
         ends.noticed, ends.slow, ends.other, ends.cut, ends.again);
  fflush(stdout);
  return 0;
}
