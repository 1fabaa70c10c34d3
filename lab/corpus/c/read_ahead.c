/* One thread fetches the next block while another works on the last one: double buffering. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SLOTS = 2, SPACE = 1 << 17 };

static int port, blocks;
static char slot[SLOTS][SPACE];
static ssize_t filled[SLOTS];
static sem_t empty, full;

static ssize_t fetch(int block, char *into) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int sock = socket(AF_INET, SOCK_STREAM, 0);
  if (sock < 0 || connect(sock, (struct sockaddr *)&to, sizeof to) != 0) exit(1);
  char text[128];
  int length = snprintf(text, sizeof text,
                        "GET /block/%d HTTP/1.1\r\nHost: store\r\nConnection: close\r\n\r\n", block);
  if (write(sock, text, length) != length) exit(1);
  ssize_t size = 0;
  for (ssize_t got; (got = read(sock, into + size, SPACE - size)) > 0;) size += got;
  close(sock);
  return size;
}

static void *fetch_all(void *unused) {
  for (int block = 0; block < blocks; block++) {
    sem_wait(&empty);
    filled[block % SLOTS] = fetch(block, slot[block % SLOTS]);
    sem_post(&full);
  }
  return unused;
}

int main(int argc, char **argv) {
  const char *scale = getenv("LAB_SCALE");
  const char *colon = argc > 1 ? strrchr(argv[1], ':') : NULL;
  if (!colon) return 2;
  port = atoi(colon + 1);
  blocks = 60 * (scale ? atof(scale) : 1) + 2;
  sem_init(&empty, 0, SLOTS);
  sem_init(&full, 0, 0);
  pthread_t fetching;
  pthread_create(&fetching, NULL, fetch_all, NULL);
  uint32_t a = 1, b = 0;
  for (int block = 0; block < blocks; block++) {
    sem_wait(&full);
    for (int pass = 0; pass < 300; pass++)
      for (ssize_t n = 0; n < filled[block % SLOTS]; n++) {
        a = (a + (uint8_t)slot[block % SLOTS][n]) % 65521;
        b = (b + a) % 65521;
      }
    sem_post(&empty);
  }
  pthread_join(fetching, NULL);
  printf("%08x\n", b << 16 | a);
  return 0;
}
