// One child process that prints.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

int main() {
  if (fork() == 0) {
    std::puts("hello");
    return 0;
  }
  wait(nullptr);
}
