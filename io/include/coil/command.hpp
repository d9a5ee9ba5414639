#pragma once
#include <sys/types.h>

#include <chrono>
#include <concepts>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <coil/clock.hpp>

namespace coil {

namespace detail {

/// What gives a std::string, a std::string_view and what converts to one among them.
template <class T>
concept TextLike = std::convertible_to<T, std::string> || std::convertible_to<T, std::string_view>;

template <TextLike T>
std::string text_of(T&& text) {
  if constexpr (std::convertible_to<T, std::string>)
    return std::forward<T>(text);
  else
    return std::string(static_cast<std::string_view>(std::forward<T>(text)));
}

}  // namespace detail

/// What a standard stream of a child process is connected to.
enum class Stdio : unsigned char {
  inherit,    ///< What this process has there.
  piped,      ///< A pipe to this process.
  devnull,    ///< /dev/null.
  to_stdout,  ///< For stderr: wherever stdout goes.
};
using enum Stdio;

/// A program to run, with its arguments, and what its process is to be like.
///
/// A child gets no descriptor but 0 to 2 and what was passed on purpose, no blocked signal, and SIGPIPE as by default.
/// Errors: `std::invalid_argument` for a NUL byte in any text.
class Command {
public:
  static constexpr std::chrono::nanoseconds grace_default = std::chrono::seconds(2);
  static constexpr Stdio inherit = Stdio::inherit;
  static constexpr Stdio piped = Stdio::piped;
  static constexpr Stdio devnull = Stdio::devnull;
  static constexpr Stdio to_stdout = Stdio::to_stdout;

  /// A name without a slash is looked for in the PATH that the child will have; its empty entries, which would mean the
  /// current folder, are passed over. Arguments go to the program as they are, no shell is involved; text from
  /// elsewhere may begin with `-` and be taken for an option, unless `--` stands before it.
  template <detail::TextLike Program, detail::TextLike... Args>
    requires(!std::same_as<std::remove_cvref_t<Program>, Command>)
  explicit Command(Program&& program, Args&&... arguments) {
    add(detail::text_of(std::forward<Program>(program)));
    (add(detail::text_of(std::forward<Args>(arguments))), ...);
  }
  /// `script` for /bin/sh. Never put into it what comes from elsewhere.
  static Command shell(std::string script);

  template <detail::TextLike T>
  Command& arg(T&& argument) {
    return add(detail::text_of(std::forward<T>(argument)));
  }
  /// Adds all of a range of texts.
  template <class Range>
    requires requires(const Range& range) {
      { *std::begin(range) } -> detail::TextLike;
      std::end(range);
    }
  Command& args(const Range& arguments) {
    for (const auto& argument : arguments) add(detail::text_of(argument));
    return *this;
  }
  Command& args(std::initializer_list<std::string_view> arguments) {
    for (const std::string_view argument : arguments) add(std::string(argument));
    return *this;
  }

  Command& stdin_(Stdio from);
  Command& stdout_(Stdio to);
  Command& stderr_(Stdio to);
  /// A descriptor of this process, which stays open and the caller's until the child is started.
  Command& stdin_(int fd);
  Command& stdout_(int fd);
  Command& stderr_(int fd);
  /// The child has `fd` under the number `as`, 3 or more; without `as` under the same one.
  Command& pass_fd(int fd) { return pass_fd(fd, fd); }
  Command& pass_fd(int fd, int as);

  /// The folder it starts in. A program or a PATH entry with a relative path is looked for from there.
  template <detail::TextLike Path>
  Command& cwd(Path&& path) {
    return start_in(detail::text_of(std::forward<Path>(path)));
  }
  /// Sets a variable beside those of this process.
  template <detail::TextLike Name, detail::TextLike Value>
  Command& env(Name&& name, Value&& value) {
    return set_env(detail::text_of(std::forward<Name>(name)), detail::text_of(std::forward<Value>(value)));
  }
  Command& unset_env(std::string name);
  /// Starts from no variable at all; what was set before is gone.
  Command& clear_env();

  /// A session of its own, without the terminal. It leads a process group as well.
  Command& new_session();
  /// A process group: its own, or with an id that of others. `Process::signal_group` reaches it.
  Command& process_group(pid_t id = 0);
  /// How long it may take after SIGTERM, when its `Process` goes, before SIGKILL follows. Default: `grace_default`.
  template <class Rep, class Period>
  Command& grace(std::chrono::duration<Rep, Period> time) {
    grace_ = detail::to_nanoseconds(time);
    return *this;
  }

  const std::string& program() const noexcept { return arguments_.front(); }
  const std::vector<std::string>& arguments() const noexcept { return arguments_; }

private:
  friend class Process;
  struct Connection {
    Stdio kind = inherit;
    int fd = -1;  // of this process; -1: see `kind`
  };
  struct Passed {
    int fd;
    int as;
  };
  struct Variable {
    std::string name;
    std::optional<std::string> value;  // nothing: unset
  };

  Command& add(std::string argument);
  Command& start_in(std::string path);
  Command& set_env(std::string name, std::string value);
  Command& set_variable(std::string name, std::optional<std::string> value);
  std::vector<std::string> environment() const;

  std::vector<std::string> arguments_;  // the program first
  Connection streams_[3];
  std::vector<Passed> passed_;
  std::optional<std::string> cwd_;
  std::vector<Variable> variables_;
  bool inherits_environment_ = true;
  bool new_session_ = false;
  std::optional<pid_t> process_group_;
  std::chrono::nanoseconds grace_ = grace_default;
};

}  // namespace coil
