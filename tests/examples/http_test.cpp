// How http_server reads requests, without a socket.
#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "../../examples/http/request.hpp"

using namespace std::literals;

namespace {

/// What a server makes of `input`: a line for each request, "GET /x body\n", and at last what it refuses, "400".
class Reader {
public:
  void feed(std::string_view bytes) {
    while (parser_.state() != http::RequestParser::State::refused) {
      if (parser_.state() == http::RequestParser::State::complete) {
        said += body_ + (parser_.request().keep_alive ? "\n" : " (close)\n");
        body_.clear();
        parser_.next();
      }
      if (bytes.empty()) return;
      const bool in_head = parser_.state() == http::RequestParser::State::head;
      bytes.remove_prefix(in_head ? parser_.feed_head(bytes) : parser_.feed_body(bytes, body_));
      if (in_head && parser_.state() != http::RequestParser::State::head &&
          parser_.state() != http::RequestParser::State::refused) {
        const std::string before(parser_.request().target);
        if (parser_.request().has_body()) parser_.keep();
        CHECK(parser_.request().target == before);
        said += llhttp_method_name(parser_.request().method) + " "s + before + " ";
      }
    }
    if (!refused_) said += std::to_string(parser_.status());
    refused_ = true;
  }
  std::string said;

private:
  http::RequestParser parser_;
  std::string body_;
  bool refused_ = false;
};

/// However the bytes are cut, it is the same.
std::string read(std::string_view input) {
  Reader whole;
  whole.feed(input);
  for (std::size_t cut = 1; cut < input.size() && input.size() < 4096; ++cut) {
    Reader pieces;
    pieces.feed(input.substr(0, cut));
    pieces.feed(input.substr(cut));
    CHECK(pieces.said == whole.said);
  }
  Reader bytes;
  for (const char& byte : input) bytes.feed({&byte, 1});
  CHECK(bytes.said == whole.said);
  return whole.said;
}

std::string with_fields(std::string_view fields, std::string_view rest = "") {
  return read("POST /echo HTTP/1.1\r\nHost: h\r\n"s + std::string(fields) + "\r\n" + std::string(rest));
}
std::string with_line(std::string_view line) { return read(std::string(line) + "\r\nHost: h\r\n\r\n"); }
std::string chunked(std::string_view body) { return with_fields("Transfer-Encoding: chunked\r\n", body); }

}  // namespace

TEST_CASE("requests follow each other on one connection") {
  CHECK(read("GET / HTTP/1.1\r\nHost: h\r\n\r\n") == "GET / \n");
  CHECK(read("GET /a HTTP/1.1\r\nHost: h\r\n\r\nHEAD /b?q HTTP/1.1\r\nHost: h\r\n\r\n") == "GET /a \nHEAD /b?q \n");
  CHECK(read("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: h\r\n\r\n") ==
        "POST /echo hello\nGET / \n");
  CHECK(read("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"
             "GET / HTTP/1.1\r\nHost: h\r\n\r\n") == "POST /echo hello!\nGET / \n");
  CHECK(read("\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n") == "GET / \nGET /b \n");
}

TEST_CASE("a body may look like a request, and is none") {
  CHECK(with_fields("Content-Length: 28\r\n", "GET /x HTTP/1.1\r\nHost: h\r\n\r\n") ==
        "POST /echo GET /x HTTP/1.1\r\nHost: h\r\n\r\n\n");
  CHECK(with_fields("Content-Length: 4\r\n", "GET /x HTTP/1.1\r\nHost: h\r\n\r\n") == "POST /echo GET \n400");
}

TEST_CASE("the connection is kept as the client says") {
  CHECK(with_fields("Connection: close\r\n") == "POST /echo  (close)\n");
  CHECK(with_fields("Connection: Keep-Alive, Close\r\n") == "POST /echo  (close)\n");
  CHECK(with_fields("Connection: close \t\r\n") == "POST /echo  (close)\n");  // llhttp reads no "close" here
  CHECK(with_fields("Connection: x,\tclose\t,y\r\n") == "POST /echo  (close)\n");
  CHECK(with_fields("Connection: keep-alive\r\n") == "POST /echo \n");
  CHECK(read("GET / HTTP/1.0\r\n\r\n") == "GET /  (close)\n");
  CHECK(read("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n") == "GET / \n");
}

TEST_CASE("an offered upgrade is not taken up") {
  CHECK(with_fields("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n",
                    "GET / HTTP/1.1\r\nHost: h\r\n\r\n") == "POST /echo \nGET / \n");
  CHECK(with_fields("Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n", "hi") == "POST /echo hi\n");
  CHECK(with_line("PRI * HTTP/2.0") == "505");
  CHECK(with_line("CONNECT h:1 HTTP/1.1") == "501");
}

TEST_CASE("request lines that are none are refused") {
  for (const char* line : {"GET  / HTTP/1.1",
                           "GET /  HTTP/1.1",
                           " GET / HTTP/1.1",
                           "GET / HTTP/1.1 ",
                           "GET /",
                           "GET",
                           "GET\t/ HTTP/1.1",
                           "GET /\tHTTP/1.1",
                           "GET / HTTP/1.1\t",
                           "GET / x HTTP/1.1",
                           "GET / http/1.1",
                           "GET / HTTP/11",
                           "GET / HTTP/1",
                           "GET / HTTP/1.1x",
                           "GET / HTTP/01.1",
                           "GET / RTSP/1.0",
                           "OPTIONS / RTSP/1.0",
                           "SOURCE / ICE/1.0",
                           "GET /\xc3\xa9 HTTP/1.1",
                           "GET /\x7f HTTP/1.1",
                           "GET /\x01 HTTP/1.1",
                           "G(T / HTTP/1.1",
                           "@ / HTTP/1.1",
                           "GET / HTTP/1.1\rX: y",
                           "GET /\r HTTP/1.1",
                           "\x16\x03\x01\x02"}) {
    CAPTURE(line);
    const std::string status = with_line(line);
    CHECK((status == "400" || status == "501" || status == "505"));
  }
  CHECK(with_line("GET /\0 HTTP/1.1"sv) == "400");
  CHECK(with_line("GARBAGE / HTTP/1.1") == "501");
  CHECK(with_line("get / HTTP/1.1") == "501");
  CHECK(with_line("GET / HTTP/2.0") == "505");
  CHECK(with_line("GET / HTTP/0.9") == "505");
  CHECK(with_line("GET / HTTP/1.2") == "505");
  CHECK(read("GET / HTTP/1.1\nHost: h\n\n") == "400");
}

TEST_CASE("a request line has a limit") {
  const auto line = [](std::size_t size) { return "GET /" + std::string(size - 14, 'a') + " HTTP/1.1"; };
  CHECK(with_line(line(http::request_line_max)).ends_with("a \n"));
  CHECK(with_line(line(http::request_line_max + 1)) == "414");
  CHECK(read(std::string(http::request_line_max + 1, 'A')) == "414");
  // What is wrong behind the limit is not looked at, however much has come at once.
  CHECK(with_line("GET /" + std::string(http::request_line_max, 'a') + " HTTP/1.1 \x01") == "414");
}

TEST_CASE("a head has a limit, in bytes and in fields") {
  std::string fields;
  for (std::size_t i = 1; i < http::fields_max; ++i) fields += "a: b\r\n";
  CHECK(with_fields(fields) == "POST /echo \n");
  CHECK(with_fields(fields + "a: b\r\n") == "431");
  CHECK(with_fields("a: " + std::string(http::head_max - 37, 'b') + "\r\n") == "POST /echo \n");
  CHECK(with_fields("a: " + std::string(http::head_max - 36, 'b') + "\r\n") == "431");
  CHECK(read("GET / HTTP/1.1\r\n" + std::string(http::head_max, 'a')) == "431");
  CHECK(with_fields("a: " + std::string(http::head_max, 'b') + "\x01") == "431");
  std::string empty_lines;
  for (std::size_t i = 0; i <= http::head_max / 2; ++i) empty_lines += "\r\n";
  CHECK(read(empty_lines) == "431");
}

TEST_CASE("malformed fields are refused") {
  for (std::string_view fields : {"a : b\r\n"sv,
                                  "a\t: b\r\n"sv,
                                  " a: b\r\n"sv,
                                  "\ta: b\r\n"sv,
                                  "a\r\n"sv,
                                  "a b: c\r\n"sv,
                                  ": b\r\n"sv,
                                  "a: b\r\n c\r\n"sv,
                                  "a: b\r\n\tc\r\n"sv,
                                  "a: b\rc\r\n"sv,
                                  "a: b\nc: d\r\n"sv,
                                  "a: b\n"sv,
                                  "a: \0\r\n"sv,
                                  "a\0: b\r\n"sv,
                                  "a: b\r\r\n"sv,
                                  "a: b\r\n\r \n"sv,
                                  "a\xc3: b\r\n"sv,
                                  "a: \x01\r\n"sv,
                                  "a: \x7f\r\n"sv,
                                  "a(: b\r\n"sv,
                                  "Content-Length\r\n"sv,
                                  "Content-Length : 0\r\n"sv,
                                  "Transfer-Encoding : chunked\r\n"sv,
                                  "\r: b\r\n"sv,
                                  "a: b\r\n\n"sv}) {
    CAPTURE(fields);
    CHECK(with_fields(fields) == "400");
  }
  CHECK(with_fields("a: \xc3\xa9 \t b\r\nb:c\r\nc:\r\nd: \t\r\n!#$%&'*+-.^_`|~09: x\r\n") == "POST /echo \n");
}

TEST_CASE("there is one host") {
  CHECK(read("GET / HTTP/1.1\r\n\r\n") == "400");
  CHECK(read("GET / HTTP/1.1\r\nX: y\r\n\r\n") == "400");
  CHECK(with_fields("Host: h\r\n") == "400");
  CHECK(with_fields("hOST: other\r\n") == "400");
  CHECK(read("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n") == "400");
  for (const char* host : {"a b", "a,b", "a/b", "u@h", "h#", "h?x", "h\\", "\xc3\xa9", "a\tb"}) {
    CAPTURE(host);
    CHECK(read("GET / HTTP/1.1\r\nHost: "s + host + "\r\n\r\n") == "400");
  }
  for (const char* host : {"", "h", "h:80", "[::1]:80", "1.2.3.4", "a-b.c_d"}) {
    CAPTURE(host);
    CHECK(read("GET / HTTP/1.1\r\nHost: "s + host + "\r\n\r\n") == "GET / \n");
  }
}

TEST_CASE("a length is digits, and given once") {
  for (const char* length :
       {"", "+5", "-5", "-0", "5 5", "5,5", "5, 5", "0x5", "5x", "5.0", "5;", "\"5\"", "five", "_5", "5\t5", "1e1"}) {
    CAPTURE(length);
    CHECK(with_fields("Content-Length: "s + length + "\r\n", "hello") == "400");
  }
  CHECK(with_fields("Content-Length: 5\r\nContent-Length: 5\r\n", "hello") == "400");
  CHECK(with_fields("Content-Length: 5\r\nContent-Length: 6\r\n", "hello") == "400");
  CHECK(with_fields("Content-Length: 6\r\nContent-Length: 5\r\n", "hello") == "400");
  CHECK(with_fields("Content-Length: 0\r\ncontent-length: 0\r\n") == "400");
  CHECK(with_fields("Content-Length:5\r\n", "hello") == "POST /echo hello\n");
  CHECK(with_fields("Content-Length:   5  \r\n", "hello") == "POST /echo hello\n");
  CHECK(with_fields("Content-Length: 00005\r\n", "hello") == "POST /echo hello\n");
}

TEST_CASE("a body has a limit, said before it is sent") {
  CHECK(with_fields("Content-Length: 16777216\r\n") == "POST /echo ");
  CHECK(with_fields("Content-Length: 16777217\r\n") == "413");
  CHECK(with_fields("Expect: 100-continue\r\nContent-Length: 16777217\r\n") == "413");
  CHECK(with_fields("Content-Length: 18446744073709551615\r\n") == "413");
  CHECK(with_fields("Content-Length: 18446744073709551621\r\n") == "413");  // 5, if it wrapped
  CHECK(with_fields("Content-Length: 99999999999999999999999999\r\n") == "413");
}

TEST_CASE("a length and a coding, or two codings, are refused") {
  const std::string body = "5\r\nhello\r\n0\r\n\r\n";
  const std::string coding = "Transfer-Encoding: chunked\r\n", length = "Content-Length: 15\r\n";
  CHECK(with_fields(coding + length, body) == "400");
  CHECK(with_fields(length + coding, body) == "400");
  CHECK(with_fields(length + "Transfer-Encoding: identity\r\n", body) == "400");
  CHECK(with_fields(coding + coding, body) == "400");
  CHECK(with_fields(coding + "Transfer-Encoding: identity\r\n", body) == "400");
  CHECK(with_fields("Transfer-Encoding: identity\r\n" + coding, body) == "400");
  CHECK(read("POST /echo HTTP/1.0\r\nHost: h\r\n" + coding + "\r\n" + body) == "400");
  for (const char* other : {"", "identity", "gzip", "gzip, chunked", "chunked, gzip", "chunked, chunked", "chunked,",
                            ",chunked", "xchunked", "chunkedx", "chunked;q=1", "\"chunked\"", "chunked identity",
                            "\x0b"
                            "chunked",
                            "chunked\x0b", "chun\x00ked", "cow", "identity, chunked"}) {
    CAPTURE(other);
    const std::string status = with_fields("Transfer-Encoding: "s + other + "\r\n", body);
    CHECK((status == "400" || status == "501"));
  }
  CHECK(with_fields("Transfer_Encoding: chunked\r\n" + length, body) == "POST /echo " + body + "\n");
  CHECK(with_fields("TRANSFER-ENCODING:  ChUnKeD  \r\n", body) == "POST /echo hello\n");
}

TEST_CASE("chunks are read as they are meant, or refused") {
  CHECK(chunked("0\r\n\r\n") == "POST /echo \n");
  CHECK(chunked("000\r\n\r\n") == "POST /echo \n");
  CHECK(chunked("A\r\n0123456789\r\n0\r\n\r\n") == "POST /echo 0123456789\n");
  CHECK(chunked("a;x\r\n0123456789\r\n0;x=y;z=\"q;\"; w\r\n\r\n") == "POST /echo 0123456789\n");
  CHECK(chunked("5\r\nhello\r\n0\r\nTrailer: x\r\nContent-Type: y\r\n\r\n") == "POST /echo hello\n");
  for (std::string_view body : {"\r\n"sv,
                                "x\r\n"sv,
                                "0x5\r\nhello\r\n0\r\n\r\n"sv,
                                "+5\r\nhello\r\n0\r\n\r\n"sv,
                                "-5\r\nhello\r\n0\r\n\r\n"sv,
                                " 5\r\nhello\r\n0\r\n\r\n"sv,
                                "5 \r\nhello\r\n0\r\n\r\n"sv,
                                "5 ;x\r\nhello\r\n0\r\n\r\n"sv,
                                "5\nhello\r\n0\r\n\r\n"sv,
                                "5\rhello\r\n0\r\n\r\n"sv,
                                "5\r\nhello\n0\r\n\r\n"sv,
                                "5\r\nhello0\r\n\r\n"sv,
                                "5\r\nhelloX\r\n0\r\n\r\n"sv,
                                "5\r\nhello\rX0\r\n\r\n"sv,
                                "5_0\r\nhello\r\n"sv,
                                "5.\r\nhello\r\n"sv,
                                "5,5\r\nhello\r\n"sv,
                                "5;\nx\r\nhello\r\n"sv,
                                "5;x\ry\r\nhello\r\n"sv,
                                "5;x\0\r\nhello\r\n"sv,
                                "5;\r\nhello\r\n"sv,
                                ";x\r\n"sv,
                                "00000000000000000\r\n\r\n"sv,
                                "0\r\nX\r\n\r\n"sv,
                                "0\r\n X: y\r\n\r\n"sv,
                                "0\r\nX : y\r\n\r\n"sv,
                                "0\r\nX: y\n\r\n"sv,
                                "0\r\nX: \0\r\n\r\n"sv,
                                "0\r\n\n"sv,
                                "0\n\n"sv,
                                "0\r\n\rX"sv,
                                "0\r\nX: y\r\n z\r\n\r\n"sv}) {
    CAPTURE(body);
    CHECK(chunked(body).ends_with("400"));
    CHECK(chunked(body).find('\n') == std::string::npos);
  }
}

TEST_CASE("chunks, their extensions and trailers have limits") {
  CHECK(chunked("1000001\r\n") == "POST /echo 413");
  CHECK(chunked("FFFFFFFFFFFFFFFF\r\n") == "POST /echo 413");
  CHECK(chunked("10000000000000005\r\nhello\r\n0\r\n\r\n") == "POST /echo 400");  // 5, if it wrapped
  CHECK(chunked("1\r\nx\r\n1000000\r\n").ends_with("413"));
  CHECK(chunked("1;" + std::string(http::chunk_extension_max - 1, 'x') + "\r\na\r\n0\r\n\r\n") == "POST /echo a\n");
  CHECK(chunked("1;" + std::string(http::chunk_extension_max, 'x') + "\r\na\r\n0\r\n\r\n") == "POST /echo 400");
  std::string many;
  for (int i = 0; i < 300; ++i) many += "1;" + std::string(http::chunk_extension_max - 1, 'x') + "\r\na\r\n";
  CHECK(chunked(many).ends_with("400"));
  std::string fields;
  for (std::size_t i = 0; i < http::fields_max; ++i) fields += "a: b\r\n";
  CHECK(chunked("0\r\n" + fields + "\r\n") == "POST /echo \n");
  CHECK(chunked("0\r\n" + fields + "a: b\r\n\r\n") == "POST /echo 431");
  CHECK(chunked("0\r\na: " + std::string(http::head_max, 'b')) == "POST /echo 431");
}

TEST_CASE("a trailer does not change what was said in the head") {
  const std::string next = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
  CHECK(chunked("0\r\nHost: other\r\nExpect: 100-continue\r\nRange: bytes=0-1\r\n\r\n" + next) ==
        "POST /echo \nGET / \n");
  for (const char* field : {"Content-Length: 5", "Transfer-Encoding: chunked", "Transfer-Encoding: x"}) {
    CAPTURE(field);
    const std::string said = chunked("0\r\n"s + field + "\r\n\r\n" + next);
    CHECK((said == "POST /echo \nGET / \n" || said == "POST /echo 400"));
  }
}
