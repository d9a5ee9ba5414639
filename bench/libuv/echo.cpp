// Sends back what it gets, on libuv. Prints its port; ends when it is killed.
#include <netinet/in.h>
#include <uv.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace {

constexpr std::size_t buffer_size = 65536;

void check(int result, const char* what) {
  if (result >= 0) return;
  std::fprintf(stderr, "%s: %s\n", what, uv_strerror(result));
  std::exit(1);
}

/// What the kernel did not take at once; freed when it is written.
struct Rest {
  uv_write_t request;
  char* bytes;
};

/// One buffer is enough: what came is sent before the next is read, or copied.
void lend(uv_handle_t*, std::size_t, uv_buf_t* buffer) {
  static char shared[buffer_size];
  *buffer = uv_buf_init(shared, buffer_size);
}

void close(uv_stream_t* stream) {
  uv_close(reinterpret_cast<uv_handle_t*>(stream),
           [](uv_handle_t* handle) { delete reinterpret_cast<uv_tcp_t*>(handle); });
}

void received(uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer);

void write_rest(uv_stream_t* stream, const char* bytes, std::size_t size) {
  auto* const rest = new Rest{{}, new char[size]};
  std::copy(bytes, bytes + size, rest->bytes);
  rest->request.data = rest;
  uv_buf_t buffer = uv_buf_init(rest->bytes, static_cast<unsigned>(size));
  uv_read_stop(stream);  // a slow reader is not read from
  check(uv_write(&rest->request, stream, &buffer, 1,
                 [](uv_write_t* request, int status) {
                   auto* const written = static_cast<Rest*>(request->data);
                   if (status == 0) uv_read_start(request->handle, lend, received);
                   delete[] written->bytes;
                   delete written;
                 }),
        "uv_write");
}

void received(uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer) {
  if (size == 0) return;
  if (size < 0) {
    close(stream);
    return;
  }
  uv_buf_t data = uv_buf_init(buffer->base, static_cast<unsigned>(size));
  const int written = uv_try_write(stream, &data, 1);
  const std::size_t done = written > 0 ? static_cast<std::size_t>(written) : 0;
  if (done != static_cast<std::size_t>(size))
    write_rest(stream, data.base + done, static_cast<std::size_t>(size) - done);
}

void connected(uv_stream_t* listener, int status) {
  check(status, "accept");
  auto* const client = new uv_tcp_t;
  check(uv_tcp_init(listener->loop, client), "uv_tcp_init");
  auto* const stream = reinterpret_cast<uv_stream_t*>(client);
  check(uv_accept(listener, stream), "uv_accept");
  uv_tcp_nodelay(client, 1);
  check(uv_read_start(stream, lend, received), "uv_read_start");
}

}  // namespace

int main() {
  uv_loop_t* const loop = uv_default_loop();
  uv_tcp_t listener;
  check(uv_tcp_init(loop, &listener), "uv_tcp_init");
  sockaddr_in address{};
  check(uv_ip4_addr("127.0.0.1", 0, &address), "uv_ip4_addr");
  check(uv_tcp_bind(&listener, reinterpret_cast<sockaddr*>(&address), 0), "bind");
  check(uv_listen(reinterpret_cast<uv_stream_t*>(&listener), 1024, connected), "listen");
  int size = sizeof address;
  check(uv_tcp_getsockname(&listener, reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
  std::printf("%d\n", ntohs(address.sin_port));
  std::fflush(stdout);
  return uv_run(loop, UV_RUN_DEFAULT);
}
