// Which file http_server sends, how much of it, and when not at all.
#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "../../examples/http/range.hpp"
#include "../../examples/http/target.hpp"

using namespace std::literals;

TEST_CASE("targets become paths inside the folder, or none") {
  const auto path = [](std::string_view target) {
    const http::Target found = http::resolve_target(target);
    return found.status == 0 ? found.path : std::to_string(found.status);
  };
  CHECK(path("/") == "");
  CHECK(path("/a/b.txt") == "a/b.txt");
  CHECK(path("/a/") == "a/");
  CHECK(path("//etc/passwd") == "etc/passwd");
  CHECK(path("/a%20b%2Fc?d=/../e#f") == "a b/c");
  CHECK(path("/%2561") == "%61");  // decoded once
  CHECK(path("http://host:80/a?b") == "a");
  CHECK(path("http://host") == "");
  CHECK(path("/http://host/../x") == "400");
  CHECK(path("/.well-known/x") == ".well-known/x");
  for (const char* target : {"/..",
                             "/../x",
                             "/a/../../x",
                             "/a/..",
                             "/%2e%2e/x",
                             "/.%2E/x",
                             "/%2e./x",
                             "/..%2fx",
                             "/a/%2e%2e%2f%2e%2e%2fx",
                             "/.",
                             "/%00",
                             "/a%00.txt",
                             "/%",
                             "/%2",
                             "/%zz",
                             "/%2g",
                             "*",
                             "x",
                             "",
                             "http://host/../x",
                             "/..%00/"}) {
    CAPTURE(target);
    CHECK(path(target) == "400");
  }
  CHECK(path("/.git/config") == "404");
  CHECK(path("/a/.env") == "404");
  CHECK(path("/%2eenv") == "404");
  CHECK(path("/..%5cx") == "404");
}

TEST_CASE("types go by the end of the name") {
  CHECK(http::type_of("a/b.html") == "text/html; charset=utf-8");
  CHECK(http::type_of("b.txt") == "text/plain; charset=utf-8");
  CHECK(http::type_of("x.tar.gz") == "application/gzip");
  CHECK(http::type_of("a.html/b") == "application/octet-stream");
  CHECK(http::type_of("") == "application/octet-stream");
}

TEST_CASE("ranges") {
  const auto range = [](std::string_view text, std::uint64_t size = 10) {
    http::Part part;
    switch (http::parse_range(text, size, part)) {
      case http::RangeAnswer::whole:
        return "whole"s;
      case http::RangeAnswer::unsatisfiable:
        return "unsatisfiable"s;
      case http::RangeAnswer::part:
        break;
    }
    return std::to_string(part.first) + "-" + std::to_string(part.end);
  };
  CHECK(range("bytes=0-0") == "0-1");
  CHECK(range("bytes=2-5") == "2-6");
  CHECK(range("Bytes=2-") == "2-10");
  CHECK(range("bytes=-3") == "7-10");
  CHECK(range("bytes=-30") == "0-10");
  CHECK(range("bytes=9-99999999999999999999") == "9-10");
  CHECK(range("bytes=0-18446744073709551615") == "0-10");
  for (const char* text : {"bytes=10-", "bytes=10-11", "bytes=-0", "bytes=99999999999999999999-"}) {
    CAPTURE(text);
    CHECK(range(text) == "unsatisfiable");
  }
  CHECK(range("bytes=0-", 0) == "unsatisfiable");
  CHECK(range("bytes=-1", 0) == "unsatisfiable");
  for (const char* text : {"", "bytes", "bytes=", "bytes=-", "bytes=x-", "bytes=5-2", "bytes=0-1,3-4", "items=0-1",
                           "bytes=+1-2", "bytes=--2", "bytes=1-2x", "bytes =0-1"}) {
    CAPTURE(text);
    CHECK(range(text) == "whole");
  }
}

TEST_CASE("what a client has already is not sent again") {
  http::Meta meta{.size = 10, .modified = 784111777, .etag = "\"tag\"", .type = {}};
  http::Part part;
  http::Request request;
  CHECK(http::answer_status(request, meta, part) == 200);
  for (const char* list : {"*", "\"tag\"", "W/\"tag\"", "\"a\", \"tag\"", "\"a\",\"tag\",\"b\""}) {
    CAPTURE(list);
    request.if_none_match = list;
    CHECK(http::answer_status(request, meta, part) == 304);
  }
  request.if_none_match = "\"other\"";
  request.if_modified_since = "Sun, 06 Nov 1994 08:49:37 GMT";
  CHECK(http::answer_status(request, meta, part) == 200);  // the tag counts for more
  request.if_none_match = {};
  CHECK(http::answer_status(request, meta, part) == 304);
  for (const char* date : {"Sun, 06 Nov 1994 08:49:36 GMT", "yesterday", "Sun, 06 Nov 1994 08:49:37 GMT and more"}) {
    CAPTURE(date);
    request.if_modified_since = date;
    CHECK(http::answer_status(request, meta, part) == 200);
  }
  request = {};
  request.range = "bytes=1-2";
  CHECK(http::answer_status(request, meta, part) == 206);
  CHECK((part.first == 1 && part.end == 3));
  request.if_range = "\"other\"";
  CHECK(http::answer_status(request, meta, part) == 200);
  request.if_range = "\"tag\"";
  CHECK(http::answer_status(request, meta, part) == 206);
  const std::string date = http::date_text(meta.modified);
  request.if_range = date;
  CHECK(http::answer_status(request, meta, part) == 206);
  request.range = "bytes=10-";
  CHECK(http::answer_status(request, meta, part) == 416);
  request.method = HTTP_HEAD;
  CHECK(http::answer_status(request, meta, part) == 200);
}
