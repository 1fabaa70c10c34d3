/* Three workers take jobs from a queue; each job is a call that waits. --threads of them, if given
   as the second argument. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct job {
  int number;
  struct job *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ready = PTHREAD_COND_INITIALIZER;
static struct job *head, **tail = &head;
static int closed, port;
static atomic_long received;

static void put(int number) {
  struct job *job = malloc(sizeof *job);
  *job = (struct job){number, NULL};
  pthread_mutex_lock(&lock);
  *tail = job;
  tail = &job->next;
  pthread_cond_signal(&ready);
  pthread_mutex_unlock(&lock);
}

static struct job *take(void) {
  pthread_mutex_lock(&lock);
  while (!head && !closed) pthread_cond_wait(&ready, &lock);
  struct job *job = head;
  if (job && !(head = job->next)) tail = &head;
  pthread_mutex_unlock(&lock);
  return job;
}

static void call(int number) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int sock = socket(AF_INET, SOCK_STREAM, 0);
  if (sock < 0 || connect(sock, (struct sockaddr *)&to, sizeof to) != 0) exit(1);
  char text[4096];
  int length = snprintf(text, sizeof text,
                        "GET /job/%d HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", number);
  if (write(sock, text, length) != length) exit(1);
  for (ssize_t got; (got = read(sock, text, sizeof text)) > 0;) received += got;
  close(sock);
}

static void *work(void *unused) {
  for (struct job *job; (job = take());) {
    call(job->number);
    free(job);
  }
  return unused;
}

int main(int argc, char **argv) {
  const char *scale = getenv("LAB_SCALE");
  const char *colon = argc > 1 ? strrchr(argv[1], ':') : NULL;
  if (!colon) return 2;
  port = atoi(colon + 1);
  int workers = argc > 2 ? atoi(argv[2]) : 3;
  int jobs = 130 * (scale ? atof(scale) : 1) + 4;
  for (int n = 0; n < jobs; n++) put(n);
  pthread_mutex_lock(&lock);
  closed = 1;
  pthread_mutex_unlock(&lock);
  pthread_t *threads = calloc(workers, sizeof *threads);
  for (int n = 0; n < workers; n++) pthread_create(&threads[n], NULL, work, NULL);
  for (int n = 0; n < workers; n++) pthread_join(threads[n], NULL);
  free(threads);
  printf("%ld bytes\n", received);
  return 0;
}
