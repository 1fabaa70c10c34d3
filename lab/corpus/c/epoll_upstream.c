/* An event loop over timers whose handler asks an upstream server, and blocks until it answers. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

static int ask_upstream(int port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int sock = socket(AF_INET, SOCK_STREAM, 0);
  if (sock < 0 || connect(sock, (struct sockaddr *)&to, sizeof to) != 0) return -1;
  const char *text = "GET /quota HTTP/1.1\r\nHost: up\r\nConnection: close\r\n\r\n";
  if (write(sock, text, strlen(text)) < 0) return -1;
  char answer[4096];
  int size = 0;
  for (ssize_t got; (got = read(sock, answer, sizeof answer)) > 0;) size += got;
  close(sock);
  return size;
}

int main(int argc, char **argv) {
  const char *scale = getenv("LAB_SCALE");
  const char *colon = argc > 1 ? strrchr(argv[1], ':') : NULL;
  if (!colon) return 2;
  int most = 70 * (scale ? atof(scale) : 1) + 2;
  int loop = epoll_create1(0);
  for (int n = 0; n < 4; n++) {
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct itimerspec every = {.it_interval.tv_nsec = 100000000, .it_value.tv_nsec = 10000000};
    struct epoll_event event = {.events = EPOLLIN, .data.fd = timer};
    timerfd_settime(timer, 0, &every, NULL);
    epoll_ctl(loop, EPOLL_CTL_ADD, timer, &event);
  }
  long total = 0;
  for (int handled = 0; handled < most;) {
    struct epoll_event events[8];
    int count = epoll_wait(loop, events, 8, -1);
    for (int n = 0; n < count; n++, handled++) {
      uint64_t ticks;
      if (read(events[n].data.fd, &ticks, sizeof ticks) != sizeof ticks) continue;
      int size = ask_upstream(atoi(colon + 1));
      if (size < 0) return 1;
      total += size;
    }
  }
  printf("%ld bytes\n", total);
  return 0;
}
