// Fetches a page over HTTPS and prints it: the server's certificate has to be of the host.
//
//   sh examples/run https_get HOST [PATH [PORT [CA_FILE]]]     / and 443 by default, and whom the system trusts
//   sh examples/run https_get deb.debian.org /debian/README
#include <coil/tls.hpp>

#include "support.hpp"

namespace {

constexpr const char* usage_line = "https_get HOST [PATH [PORT [CA_FILE]]]";
constexpr std::size_t page_max = std::size_t{64} << 20;
constexpr std::size_t unknown = 0;

// What the head says. Without it the page ends with the connection, and many a server ends that in a way which might be
// anybody's doing.
std::size_t page_size(std::string head) {
  for (char& letter : head)
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  constexpr std::string_view name = "\r\ncontent-length:";
  const std::size_t found = head.find(name);
  return found == std::string::npos ? unknown : std::strtoull(head.c_str() + found + name.size(), nullptr, 10);
}

coil::Coro<int> get(std::string host, std::string path, std::uint16_t port, std::string ca_file) {
  const coil::TlsContext context = ca_file.empty() ? coil::TlsContext::client() : coil::TlsContext::client(ca_file);
  coil::Stream server = co_await coil::open_tls_connection(host, port, context);
  server.write("GET " + path + " HTTP/1.0\r\nHost: " + host + "\r\nUser-Agent: coil\r\n\r\n");
  const std::string head = co_await server.read_until("\r\n\r\n");
  const std::size_t size = page_size(head);
  if (size > page_max) throw std::runtime_error("the page is too large: " + std::to_string(size) + " bytes");
  std::string page;
  if (size == unknown)
    page = co_await server.read_all(page_max);
  else
    page = co_await server.read_exactly(size);

  coil::Stream output = coil::stdout_stream();
  output.write(page);
  co_await output.aclose();
  const std::string_view status = std::string_view(head).substr(0, head.find('\r'));
  if (status.find(" 200 ") != std::string_view::npos) co_return 0;
  std::fprintf(stderr, "https_get: %.*s\n", static_cast<int>(status.size()), status.data());
  co_return 1;
}

}  // namespace

int main(int argc, char** argv) {
  example::check_arguments(argc, argv, 1, 4, usage_line);
  const std::string path = argc > 2 ? argv[2] : "/";
  if (path.front() != '/') example::usage(usage_line);
  const long port = argc > 3 ? example::parse_number(argv[3], 65535, usage_line) : 443;
  const std::string ca_file = argc > 4 ? argv[4] : "";
  return example::run([=] { return get(argv[1], path, static_cast<std::uint16_t>(port), ca_file); }, "https_get: ");
}
