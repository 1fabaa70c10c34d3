/* A page that needs a query for each of its rows: one connection, one answer awaited before the
   next question. With a second argument, so many threads share the rows, each with a connection. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int port, rows;
static atomic_int next_row;
static atomic_long received;

static int dial(void) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int sock = socket(AF_INET, SOCK_STREAM, 0);
  if (sock < 0 || connect(sock, (struct sockaddr *)&to, sizeof to) != 0) {
    perror("connect");
    exit(1);
  }
  return sock;
}

static void query(int sock, int row) {
  char text[4096];
  int length = snprintf(text, sizeof text, "GET /row/%d HTTP/1.1\r\nHost: db\r\n\r\n", row);
  if (write(sock, text, length) != length) exit(1);
  size_t got = 0;
  /* The body is three bytes. */
  for (;;) {
    ssize_t more = read(sock, text + got, sizeof text - 1 - got);
    if (more <= 0) exit(1);
    got += more;
    text[got] = 0;
    char *end = strstr(text, "\r\n\r\n");
    if (end && text + got >= end + 4 + 3) break;
  }
  received += got;
}

static void *work(void *unused) {
  int sock = dial();
  for (int row; (row = next_row++) < rows;) query(sock, row);
  close(sock);
  return unused;
}

int main(int argc, char **argv) {
  const char *scale = getenv("LAB_SCALE");
  const char *colon = argc > 1 ? strrchr(argv[1], ':') : NULL;
  if (!colon) return 2;
  port = atoi(colon + 1);
  rows = 150 * (scale ? atof(scale) : 1) + 2;
  int workers = argc > 2 ? atoi(argv[2]) : 1;
  if (workers <= 1) {
    work(NULL);
  } else {
    pthread_t *threads = calloc(workers, sizeof *threads);
    for (int n = 0; n < workers; n++) pthread_create(&threads[n], NULL, work, NULL);
    for (int n = 0; n < workers; n++) pthread_join(threads[n], NULL);
    free(threads);
  }
  printf("%ld bytes\n", received);
  return 0;
}
