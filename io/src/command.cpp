#include <coil/command.hpp>

#include <unistd.h>

#include <algorithm>

#include <coil/error.hpp>

namespace coil {

namespace {

std::string checked(std::string text, const char* what) {
  if (text.find('\0') != text.npos)
    throw std::invalid_argument("coil: Command: " + std::string(what) + " has a NUL byte in it");
  return text;
}

int checked_fd(int fd) {
  if (fd < 0) detail::throw_invalid_argument("coil: Command: a descriptor to pass on is not negative");
  return fd;
}

}  // namespace

// Behind `--` no script is taken for an option of the shell.
Command Command::shell(std::string script) { return Command("/bin/sh", "-c", "--", std::move(script)); }

Command& Command::add(std::string argument) {
  arguments_.push_back(checked(std::move(argument), arguments_.empty() ? "the program" : "an argument"));
  return *this;
}

Command& Command::stdin_(Stdio from) {
  if (from == to_stdout) detail::throw_invalid_argument("coil: Command::stdin_(to_stdout): only stderr can go there");
  streams_[0] = {from, -1};
  return *this;
}
Command& Command::stdout_(Stdio to) {
  if (to == to_stdout) detail::throw_invalid_argument("coil: Command::stdout_(to_stdout): only stderr can go there");
  streams_[1] = {to, -1};
  return *this;
}
Command& Command::stderr_(Stdio to) {
  streams_[2] = {to, -1};
  return *this;
}

Command& Command::stdin_(int fd) {
  streams_[0] = {inherit, checked_fd(fd)};
  return *this;
}
Command& Command::stdout_(int fd) {
  streams_[1] = {inherit, checked_fd(fd)};
  return *this;
}
Command& Command::stderr_(int fd) {
  streams_[2] = {inherit, checked_fd(fd)};
  return *this;
}

Command& Command::pass_fd(int fd, int as) {
  if (as <= STDERR_FILENO)
    detail::throw_invalid_argument("coil: Command::pass_fd(): 0 to 2 are set with stdin_(), stdout_() and stderr_()");
  passed_.push_back({checked_fd(fd), as});
  return *this;
}

Command& Command::start_in(std::string path) {
  cwd_ = checked(std::move(path), "the folder");
  return *this;
}

Command& Command::set_env(std::string name, std::string value) {
  return set_variable(std::move(name), checked(std::move(value), "a variable"));
}
Command& Command::unset_env(std::string name) { return set_variable(std::move(name), std::nullopt); }

Command& Command::set_variable(std::string name, std::optional<std::string> value) {
  if (name.empty() || name.find('=') != name.npos)
    detail::throw_invalid_argument("coil: Command: the name of a variable is not empty and has no '=' in it");
  Variable variable{checked(std::move(name), "a variable"), std::move(value)};
  const auto same = std::find_if(variables_.begin(), variables_.end(),
                                 [&](const Variable& other) { return other.name == variable.name; });
  if (same != variables_.end())
    *same = std::move(variable);
  else
    variables_.push_back(std::move(variable));
  return *this;
}

Command& Command::clear_env() {
  inherits_environment_ = false;
  variables_.clear();
  return *this;
}

Command& Command::new_session() {
  new_session_ = true;
  return *this;
}

Command& Command::process_group(pid_t id) {
  if (id < 0) detail::throw_invalid_argument("coil: Command::process_group(): the id of a group is not negative");
  process_group_ = id;
  return *this;
}

std::vector<std::string> Command::environment() const {
  std::vector<std::string> result;
  if (inherits_environment_) {
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
      const std::string_view text(*entry);
      const std::string_view name = text.substr(0, text.find('='));
      if (std::none_of(variables_.begin(), variables_.end(), [&](const Variable& set) { return set.name == name; }))
        result.emplace_back(text);
    }
  }
  for (const Variable& set : variables_)
    if (set.value) result.push_back(set.name + "=" + *set.value);
  return result;
}

}  // namespace coil
