/* The clients of the load generator. Owns: sockets, what waits in them, RFC 6455 framing, the histogram and what counts as a delivery;
 * the clients that stop reading once they have joined, and how their end came. Does not know: when to publish what; load.c does.
 * Included by it alone, so everything is static.
 * Invariant: a delivery is counted once for each client and message; a second one is a duplicate, one of another room foreign. What a
 * stalled client gets is in none of these. */
#pragma once
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 4096, READ_BYTES = 1 << 18, REST_MAX = 1 << 18, OUT_MAX = 1 << 20, HIST = 20000, PORTS = 32 };
/* Of a stalled client's socket: the segments of an Ethernet and a small window. Loopback's own segments of 64 KiB would let the kernel
 * take megabytes for a client that reads nothing, and its server would never learn of it. */
enum { STALLED_SEGMENT = 1460, STALLED_WINDOW = 8192 };
enum envelope { RAW, BELLHOP, SOCKETIO };
enum state { CONNECTING, UPGRADING, JOINING, JOINED, CLOSED };

/* "#T=", phase (1 digit), µs (12), room (6), number in the room (8) */
static const char MARK[] = "#T=";
enum { MARK_LEN = 3, STAMP_LEN = MARK_LEN + 1 + 12 + 6 + 8 };
static const uint64_t STAMP_WRAP = 1000000000000ULL;

struct client {
  int fd;
  enum state state;
  int room;
  uint32_t published;
  char *rest; /* a frame that has not arrived whole */
  size_t rest_len;
  char *out; /* what the kernel did not take yet */
  size_t out_len;
  unsigned char *seen; /* one bit for each message of its room */
  int is_stalled, is_awake, was_noticed;
  uint64_t since; /* when it joined, or, if it is closed, was closed */
};

static struct {
  int ports[PORTS], n_ports, clients, members, rooms, bytes, rate, seconds, warm, settle, drain, concurrency, tick;
  int stalled, wake, wake_to, stay, speakers, messages, first, patience;
} plan;
static const char *path = "/", *source = NULL;
/* Where each client's own lines of its request begin: NULL unless given. */
static const char **own_lines;
/* How stalled clients ended: told 4100 after a notice, told 4100 without, told something else, cut off; and how often they came again. */
static struct { int noticed, slow, other, cut, again; } ends;
static enum envelope envelope = RAW;

static struct client *clients;
static int epfd, joined, opened, lost, go;
static char buffer[READ_BYTES + REST_MAX];
static uint64_t histogram[HIST], deliveries, duplicates, foreign, unsent;
static int phase;
static uint32_t room_messages;
static uint64_t mask_state = 0x9e3779b97f4a7c15ULL;

static void die(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fputs("load: ", stderr);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  exit(1);
}

static uint64_t now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t cpu_us(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* Exact below 1,024 µs, then 512 steps to each power of two. */
static int bucket_of(uint64_t us) {
  if (us < 1024) return (int)us;
  int e = 63 - __builtin_clzll(us);
  int i = 1024 + (e - 10) * 512 + (int)((us >> (e - 9)) - 512);
  return i < HIST ? i : HIST - 1;
}

static double bucket_ms(int i) {
  if (i < 1024) return i / 1000.0;
  int e = (i - 1024) / 512 + 10;
  return (double)((uint64_t)((i - 1024) % 512 + 512) << (e - 9)) / 1000.0;
}

static double percentile(double share) {
  uint64_t total = 0, sum = 0;
  for (int i = 0; i < HIST; i++) total += histogram[i];
  for (int i = 0; i < HIST; i++) {
    sum += histogram[i];
    if (total > 0 && (double)sum >= share * (double)total) return bucket_ms(i);
  }
  return -1;
}

static uint64_t digits(const char *at, int n) {
  uint64_t value = 0;
  while (n-- > 0) value = value * 10 + (uint64_t)(*at++ - '0');
  return value;
}

static void put_digits(char *at, int n, uint64_t value) {
  while (n-- > 0) {
    at[n] = (char)('0' + value % 10);
    value /= 10;
  }
}

static void watch(struct client *c, uint32_t events, int op) {
  struct epoll_event e = {.events = events, .data.u32 = (uint32_t)(c - clients)};
  if (epoll_ctl(epfd, op, c->fd, &e) < 0) die("epoll_ctl: %s", strerror(errno));
}

static void release(struct client *c) {
  close(c->fd);
  c->state = CLOSED;
  c->since = now_us();
  free(c->rest);
  c->rest = NULL;
  c->rest_len = c->out_len = 0;
}

static void drop(struct client *c, const char *why) {
  if (c->state == CLOSED) return;
  if (c->is_stalled && go) {
    ends.cut++;
    release(c);
    return;
  }
  if (c->state != JOINED) die("a client could not join: %s", why);
  release(c);
  lost++;
}

/* A stalled client that was woken has read how the server ended it. */
static void end_stalled(struct client *c, const char *payload, size_t len) {
  int code = len < 2 ? 1005 : (unsigned char)payload[0] << 8 | (unsigned char)payload[1];
  if (code != 4100) ends.other++;
  else if (c->was_noticed) ends.noticed++;
  else ends.slow++;
  release(c);
}

/* Writes bytes, or keeps them until the socket takes more. @returns 0 when the client's queue is full or it is gone */
static int put(struct client *c, const char *bytes, size_t len) {
  if (c->state == CLOSED || c->out_len + len > OUT_MAX) return 0;
  ssize_t written = 0;
  if (c->out_len == 0) {
    written = send(c->fd, bytes, len, MSG_NOSIGNAL);
    if (written == (ssize_t)len) return 1;
    if (written < 0 && errno != EAGAIN) {
      drop(c, strerror(errno));
      return 0;
    }
    if (written < 0) written = 0;
    watch(c, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
  }
  if (c->out == NULL && (c->out = malloc(OUT_MAX)) == NULL) die("out of memory");
  memcpy(c->out + c->out_len, bytes + written, len - (size_t)written);
  c->out_len += len - (size_t)written;
  return 1;
}

static void flush_out(struct client *c) {
  ssize_t written = send(c->fd, c->out, c->out_len, MSG_NOSIGNAL);
  if (written < 0) {
    if (errno != EAGAIN) drop(c, strerror(errno));
    return;
  }
  c->out_len -= (size_t)written;
  memmove(c->out, c->out + written, c->out_len);
  if (c->out_len == 0) watch(c, EPOLLIN, EPOLL_CTL_MOD);
}

/* One masked client frame (RFC 6455 §5.2). */
static int put_frame(struct client *c, int opcode, const char *payload, size_t len) {
  static char frame[65536 + 8];
  if (len > 65535) die("a frame of %zu bytes", len);
  size_t at = 0;
  frame[at++] = (char)(0x80 | opcode);
  if (len > 125) {
    frame[at++] = (char)(0x80 | 126);
    frame[at++] = (char)(len >> 8);
    frame[at++] = (char)len;
  } else {
    frame[at++] = (char)(0x80 | len);
  }
  mask_state ^= mask_state << 13;
  mask_state ^= mask_state >> 7;
  mask_state ^= mask_state << 17;
  char mask[4];
  memcpy(mask, &mask_state, 4);
  memcpy(frame + at, mask, 4);
  at += 4;
  for (size_t i = 0; i < len; i++) frame[at + i] = (char)(payload[i] ^ mask[i & 3]);
  return put(c, frame, at + len);
}

static void took(struct client *c, const char *stamp) {
  int of = stamp[0] - '0';
  uint64_t at = digits(stamp + 1, 12);
  int room = (int)digits(stamp + 13, 6);
  uint32_t n = (uint32_t)digits(stamp + 19, 8);
  if (of != 1 || phase != 1) {
    /* Warming up: counted, so that it is known when all has arrived. */
    if (of == 0 && phase == 0) deliveries++;
    return;
  }
  if (room != c->room || n >= room_messages) {
    foreign++;
    return;
  }
  unsigned char bit = (unsigned char)(1u << (n & 7));
  if (c->seen[n >> 3] & bit) {
    duplicates++;
    return;
  }
  c->seen[n >> 3] |= bit;
  deliveries++;
  histogram[bucket_of((now_us() % STAMP_WRAP + STAMP_WRAP - at) % STAMP_WRAP)]++;
}

static void on_join(struct client *c) {
  c->state = JOINED;
  c->since = now_us();
  joined++;
  /* From here on it hears of nothing but the connection's end. */
  if (c->is_stalled) watch(c, 0, EPOLL_CTL_MOD);
}

static void on_frame(struct client *c, int opcode, const char *payload, size_t len) {
  if (opcode == 9) {
    put_frame(c, 10, payload, len);
    return;
  }
  if (opcode == 8 && c->is_stalled && go) {
    end_stalled(c, payload, len);
    return;
  }
  if (opcode == 8) drop(c, "the server closed it");
  if (opcode != 1 && opcode != 2) return;
  if (c->is_stalled && c->state == JOINED) {
    if (memmem(payload, len, "\"notice\"", 8) != NULL) c->was_noticed = 1;
    return;
  }
  if (c->state == JOINING) {
    if (envelope == BELLHOP && memmem(payload, len, "\"welcome\"", 9) != NULL) on_join(c);
    if (envelope == SOCKETIO && len > 0 && payload[0] == '0') put_frame(c, 1, "40", 2);
    if (envelope == SOCKETIO && len > 1 && payload[0] == '4' && payload[1] == '0') on_join(c);
    return;
  }
  if (envelope == SOCKETIO && len == 1 && payload[0] == '2') {
    put_frame(c, 1, "3", 1);
    return;
  }
  const char *mark = memmem(payload, len, MARK, MARK_LEN);
  if (mark != NULL && mark + STAMP_LEN <= payload + len) took(c, mark + MARK_LEN);
}

/* Takes what is whole. @returns bytes used */
static size_t parse(struct client *c, const char *bytes, size_t len) {
  size_t at = 0;
  while (len - at >= 2 && c->state != CLOSED) {
    const unsigned char *head = (const unsigned char *)bytes + at;
    size_t header = 2, size = head[1] & 0x7f;
    if (size == 126) {
      if (len - at < 4) break;
      size = (size_t)(head[2] << 8 | head[3]);
      header = 4;
    } else if (size == 127) {
      if (len - at < 10) break;
      size = 0;
      for (int i = 2; i < 10; i++) size = size << 8 | head[i];
      header = 10;
    }
    if (len - at - header < size) break;
    on_frame(c, head[0] & 0x0f, bytes + at + header, size);
    at += header + size;
  }
  return at;
}

static size_t parse_head(struct client *c, const char *bytes, size_t len) {
  const char *end = memmem(bytes, len, "\r\n\r\n", 4);
  if (end == NULL) return 0;
  if (len < 12 || memcmp(bytes + 9, "101", 3) != 0) {
    if (!c->is_stalled || !go) die("upgrade refused: %.*s", 80, bytes);
    drop(c, "refused");
    return len;
  }
  c->state = JOINING;
  if (envelope == RAW) on_join(c);
  return (size_t)(end - bytes) + 4;
}

static void on_readable(struct client *c) {
  memcpy(buffer, c->rest, c->rest_len);
  ssize_t got = recv(c->fd, buffer + c->rest_len, READ_BYTES, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    drop(c, got == 0 ? "closed" : strerror(errno));
    return;
  }
  size_t len = c->rest_len + (size_t)got, at = 0;
  if (c->state == UPGRADING) at = parse_head(c, buffer, len);
  if (c->state != UPGRADING) at += parse(c, buffer + at, len - at);
  if (c->state == CLOSED) return;
  size_t left = len - at;
  if (left > REST_MAX) die("a frame too large");
  if (left > 0) {
    c->rest = realloc(c->rest, left);
    if (c->rest == NULL) die("out of memory");
    memcpy(c->rest, buffer + at, left);
  } else if (c->rest != NULL) {
    free(c->rest);
    c->rest = NULL;
  }
  c->rest_len = left;
}

static void dial(struct client *c) {
  int i = (int)(c - clients), one = 1;
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)plan.ports[i % plan.n_ports])};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (c->fd < 0) die("socket: %s", strerror(errno));
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  /* Closing resets: thousands of sockets in TIME_WAIT would use up the ports of the next cell. */
  struct linger reset = {.l_onoff = 1, .l_linger = 0};
  setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  if (c->is_stalled) {
    int segment = STALLED_SEGMENT, window = STALLED_WINDOW;
    setsockopt(c->fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
    setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
  }
  if (source != NULL) {
    /* An address has 28,000 ports to one server's port: several generators beside each other have one each. */
    struct sockaddr_in from = {.sin_family = AF_INET};
    if (inet_pton(AF_INET, source, &from.sin_addr) != 1) die("not an address: %s", source);
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (bind(c->fd, (struct sockaddr *)&from, sizeof from) < 0) die("bind: %s", strerror(errno));
  }
  c->state = CONNECTING;
  c->is_awake = c->was_noticed = 0;
  if (connect(c->fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS) die("connect: %s", strerror(errno));
  watch(c, EPOLLOUT, EPOLL_CTL_ADD);
}

/* Reads the clients' own lines: for each client some, and an empty one. The file's text stays. */
static void read_own_lines(const char *file) {
  FILE *from = fopen(file, "rb");
  if (from == NULL || fseek(from, 0, SEEK_END) < 0) die("%s: %s", file, strerror(errno));
  long size = ftell(from);
  char *text = size < 0 ? NULL : malloc((size_t)size + 1);
  own_lines = calloc((size_t)plan.clients, sizeof *own_lines);
  rewind(from);
  if (text == NULL || own_lines == NULL || fread(text, 1, (size_t)size, from) != (size_t)size) die("%s: not read", file);
  fclose(from);
  text[size] = 0;
  for (int i = 0; i < plan.clients; i++) {
    char *end = strstr(text, "\r\n\r\n");
    if (end == NULL) die("%s ends before client %d", file, i);
    end[2] = 0;
    own_lines[i] = text;
    text = end + 4;
  }
}

static void upgrade(struct client *c) {
  char target[512], request[2048];
  size_t at = 0;
  int i = (int)(c - clients), error = 0;
  socklen_t size = sizeof error;
  getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0 && c->is_stalled && go) {
    drop(c, strerror(error));
    return;
  }
  if (error != 0) die("connect: %s", strerror(error));
  for (const char *p = path; *p != 0 && at < sizeof target - 16;) {
    if (strncmp(p, "{i}", 3) == 0) {
      at += (size_t)sprintf(target + at, "%d", plan.first + i);
      p += 3;
    } else if (strncmp(p, "{room}", 6) == 0) {
      at += (size_t)sprintf(target + at, "%d", c->room);
      p += 6;
    } else {
      target[at++] = *p++;
    }
  }
  target[at] = 0;
  int len = snprintf(request, sizeof request,
                     "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
                     target, plan.ports[i % plan.n_ports], own_lines == NULL ? "" : own_lines[i]);
  if (len >= (int)sizeof request) die("a request of %d bytes", len);
  c->state = UPGRADING;
  watch(c, EPOLLIN, EPOLL_CTL_MOD);
  if (!put(c, request, (size_t)len)) die("the request was not taken");
}

/* Wakes one in ten stalled clients after they joined, the first after `wake` ms, the last after `wake_to` ms: when a server ends one is
 * its own affair, and a close lies there for some seconds only. Lets each come again `stay` ms after it joined or was closed. Called now
 * and then; 0 means never. */
static void mind_stalled(void) {
  static uint64_t last;
  uint64_t now = now_us();
  if (plan.stalled == 0 || now - last < 20000) return;
  last = now;
  for (int i = 0, nth = 0; i < plan.clients; i++) {
    struct client *c = clients + i;
    if (!c->is_stalled) continue;
    uint64_t age = now - c->since;
    int later = plan.wake_to > plan.wake ? (int)((int64_t)(plan.wake_to - plan.wake) * nth / plan.stalled) : 0;
    if (plan.wake > 0 && nth++ % 10 == 0 && c->state == JOINED && !c->is_awake && age > (uint64_t)(plan.wake + later) * 1000) {
      c->is_awake = 1;
      watch(c, EPOLLIN, EPOLL_CTL_MOD);
    }
    if (plan.stay > 0 && (c->state == JOINED || c->state == CLOSED) && age > (uint64_t)plan.stay * 1000) {
      if (c->state == JOINED) release(c);
      ends.again++;
      dial(c);
    }
  }
}
