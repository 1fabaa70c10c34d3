/* Starts a helper and waits for it, a few times; the helper waits for a line in a pipe that an
   operator writes (the first argument), or gives up when its time has passed. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static void help(const char *path, long microseconds) {
  /* Both ends, so that opening does not wait and reading never ends by itself. */
  int pipe = open(path, O_RDWR);
  if (pipe < 0) _exit(1);
  struct itimerval once = {.it_value = {microseconds / 1000000, microseconds % 1000000}};
  setitimer(ITIMER_REAL, &once, NULL);
  char line[80];
  _exit(read(pipe, line, sizeof line) > 0 ? 0 : 1);
}

int main(int argc, char **argv) {
  const char *scale = getenv("LAB_SCALE");
  char path[4096];
  snprintf(path, sizeof path, "%s/operator", argc > 1 ? argv[1] : ".");
  unlink(path);
  if (mkfifo(path, 0600) != 0) return 1;
  int timeouts = 0;
  for (int n = 0; n < 4; n++) {
    pid_t helper = fork();
    if (helper == 0) help(path, 900000 * (scale ? atof(scale) : 1) + 1000);
    int status;
    if (waitpid(helper, &status, 0) != helper) return 1;
    timeouts += WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
  }
  unlink(path);
  printf("%d helpers gave up\n", timeouts);
  return 0;
}
