/* How many hashes a second? A process for each core, as many blocks as fit into the time, for three
   sizes of block; each process tells by a pipe. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t over;

static void stop(int signal) {
  (void)signal;
  over = 1;
}

static uint64_t hash(const uint8_t *block, size_t size) {
  uint64_t state = 0xcbf29ce484222325;
  for (size_t n = 0; n < size; n++) state = (state ^ block[n]) * 0x100000001b3;
  return state;
}

/* Hashes until the alarm, and tells how often. */
static void measure(size_t size, long microseconds, int told) {
  static uint8_t block[8192];
  signal(SIGALRM, stop);
  struct itimerval once = {.it_value = {microseconds / 1000000, microseconds % 1000000}};
  setitimer(ITIMER_REAL, &once, NULL);
  long hashed = 0;
  for (; !over; hashed++) block[hashed % size] = hash(block, size);
  _exit(write(told, &hashed, sizeof hashed) == sizeof hashed ? 0 : 1);
}

int main(void) {
  const char *scale = getenv("LAB_SCALE");
  long microseconds = 1000000 * (scale ? atof(scale) : 1) + 1000;
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  for (size_t size = 64; size <= 8192; size = size == 64 ? 1024 : size * 8) {
    int told[2];
    if (pipe(told) != 0) return 1;
    for (long n = 0; n < cores; n++) {
      if (fork() == 0) measure(size, microseconds, told[1]);
    }
    long all = 0, hashed;
    for (long n = 0; n < cores; n++) {
      if (read(told[0], &hashed, sizeof hashed) != sizeof hashed) return 1;
      all += hashed;
    }
    while (wait(NULL) > 0) continue;
    close(told[0]);
    close(told[1]);
    printf("%5zu bytes: %ld hashes\n", size, all);
  }
  return 0;
}
