/* A gateway with an event loop: connections deliver messages, and the loop's own thread validates
   each of them at length. The connections are socket pairs, so that nobody else is needed. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS = 8 };

static uint32_t validate(uint32_t seed) {
  uint32_t crc = ~seed;
  for (int n = 0; n < 3000000; n++) {
    crc ^= n & 0xff;
    for (int bit = 0; bit < 2; bit++) crc = crc >> 1 ^ (0xedb88320u & -(crc & 1));
  }
  return ~crc;
}

int main(void) {
  const char *scale = getenv("LAB_SCALE");
  int most = 420 * (scale ? atof(scale) : 1) + 2;
  int loop = epoll_create1(0), senders[CONNECTIONS];
  for (int n = 0; n < CONNECTIONS; n++) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair) != 0) return 1;
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)n << 32 | pair[1]};
    epoll_ctl(loop, EPOLL_CTL_ADD, pair[1], &event);
    senders[n] = pair[0];
    if (write(senders[n], &n, sizeof n) < 0) return 1;
  }
  uint32_t sum = 0;
  for (int handled = 0; handled < most;) {
    struct epoll_event events[CONNECTIONS];
    int count = epoll_wait(loop, events, CONNECTIONS, -1);
    for (int n = 0; n < count; n++, handled++) {
      int message, from = events[n].data.u64 & 0xffffffff;
      if (read(from, &message, sizeof message) < 0) continue;
      sum += validate(message + handled);
      /* The reply is answered with the next message. */
      if (write(senders[events[n].data.u64 >> 32], &message, sizeof message) < 0) return 1;
    }
  }
  printf("%08x\n", sum);
  return 0;
}
