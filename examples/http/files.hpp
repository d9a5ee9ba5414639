// The served folder: files are opened so that the kernel lets nothing lead outside, and small ones are kept.
#pragma once
#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include <coil/coil.hpp>

#include "range.hpp"

namespace http {

inline constexpr std::size_t kept_file_max = 64 << 10;  // bytes; a larger one is read each time, in pieces
inline constexpr std::size_t kept_bytes_max = 16 << 20;
inline constexpr std::size_t kept_files_max = 1024;

/// A file that can be sent.
struct Document {
  Meta meta;
  std::string fields;   // of a head with status 200
  std::string content;  // all of it, but for a large one
  coil::Fd large;       // open, if it is one
  std::string path;
  struct ::stat seen{};
  std::uint64_t turn = 0;  // of the loop in which it was last known to be what the path leads to
};

/// What a target leads to.
struct Found {
  int status = 0;        // 200, 301 or why not
  std::string location;  // for 301
  std::shared_ptr<const Document> document;
};

class Files {
public:
  /// Errors: `std::system_error` that names the folder, or the call that the kernel lacks.
  explicit Files(const std::string& folder);
  Files(const Files&) = delete;
  ~Files() { end_of_turn_.cancel(); }

  /// A file that is kept, and known to be unchanged since the loop last took in what clients sent: so an answer is never
  /// older than its request. Null for others: see `open`.
  const Document* find(std::string_view target);
  /// Without waiting for the disk on this thread.
  coil::Coro<Found> open(std::string target);

private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  coil::Coro<int> open_below(std::string path);
  coil::Coro<bool> read_content(Document& document, int fd);
  void keep(const std::string& target, std::shared_ptr<Document> document);
  void count_turns();

  coil::Fd folder_;
  std::unordered_map<std::string, std::shared_ptr<Document>, Hash, std::equal_to<>> kept_;
  std::size_t kept_bytes_ = 0;
  std::uint64_t turn_ = 1;
  bool turn_ends_ = false;  // a callback is queued that counts it
  coil::Handle end_of_turn_;
};

}  // namespace http
