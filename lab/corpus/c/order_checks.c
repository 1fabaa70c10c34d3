/* An epoll loop over feeds of orders; each order is checked with a plain, blocking call to the
   customer service. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in peer = {.sin_family = AF_INET};

static int check_customer(void) {
  static const char ask[] = "GET /customer HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
  int sock = socket(AF_INET, SOCK_STREAM, 0);
  if (sock < 0 || connect(sock, (struct sockaddr *)&peer, sizeof peer) != 0) return -1;
  if (write(sock, ask, sizeof ask - 1) < 0) return -1;
  char answer[4096];
  ssize_t got, all = 0;
  while ((got = recv(sock, answer, sizeof answer, 0)) > 0) all += got;
  close(sock);
  return all > 0 ? 0 : -1;
}

static int ask_order(int sock) {
  static const char ask[] = "GET /order HTTP/1.1\r\nHost: h\r\n\r\n";
  return write(sock, ask, sizeof ask - 1) < 0 ? -1 : 0;
}

int main(int argc, char **argv) {
  const char *scale = getenv("LAB_SCALE");
  const char *colon = argc > 1 ? strrchr(argv[1], ':') : NULL;
  if (!colon) return 2;
  peer.sin_port = htons(atoi(colon + 1));
  peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int orders = 65 * (scale ? atof(scale) : 1) + 2, done = 0, loop = epoll_create1(0);
  for (int n = 0; n < 8; n++) {
    int feed = socket(AF_INET, SOCK_STREAM, 0);
    if (feed < 0 || connect(feed, (struct sockaddr *)&peer, sizeof peer) != 0) return 1;
    fcntl(feed, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = feed};
    epoll_ctl(loop, EPOLL_CTL_ADD, feed, &event);
    if (ask_order(feed) != 0) return 1;
  }
  while (done < orders) {
    struct epoll_event events[8];
    int count = epoll_wait(loop, events, 8, -1);
    for (int n = 0; n < count && done < orders; n++) {
      char answer[4096];
      if (read(events[n].data.fd, answer, sizeof answer) <= 0) {
        if (errno == EAGAIN) continue;
        return 1;
      }
      if (check_customer() != 0) return 1;
      done++;
      if (ask_order(events[n].data.fd) != 0) return 1;
    }
  }
  printf("%d orders\n", done);
  return 0;
}
