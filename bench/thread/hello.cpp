// One thread that prints.
#include <cstdio>
#include <thread>

int main() {
  std::thread([] { std::puts("hello"); }).join();
}
