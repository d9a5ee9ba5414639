// A chat for any number of people in any number of rooms: lines of text over TCP.
//
//   sh examples/run chat [PORT]     PORT: 7008 by default, 0 for any free one
//   nc 127.0.0.1 7008               the first line is your name; then /join ROOM, /who, /quit, or what you say
//
// Everybody who stands in a room gets what is said there. Who does not read, so that more than 256 KiB wait for them, is
// let go, and the others do not notice. SIGTERM or Ctrl-C: says good bye, and ends when all have got it.
#include <algorithm>
#include <vector>

#include "server.hpp"

namespace {

constexpr const char* usage_line = "chat [PORT]";
constexpr std::uint16_t default_port = 7008;
constexpr std::size_t line_max = 4096;
constexpr std::size_t name_max = 32;
constexpr std::size_t unread_max = std::size_t{256} << 10;  // that wait for one who does not read
constexpr std::size_t people_max = 1000;
constexpr auto name_time = std::chrono::seconds(60);  // to say one's name

struct Person {
  coil::Stream stream;
  std::string name;
  std::string room;  // none as long as there is no name

  void tell(const std::string& text) {
    stream.write(text + "\n");
    if (stream.unsent() > unread_max) stream.abort();  // who listens to this person sees the end of the stream
  }
};

class Chat {
public:
  /// Everything of one connection, from hello to good bye.
  coil::Coro<void> serve(coil::Stream stream) {
    Person person{std::move(stream), {}, {}};
    people_.push_back(&person);
    try {
      co_await coil::wait_for(ask_name(person), name_time);
      enter(person, "lobby");
      co_await listen(person);
    } catch (const coil::LimitOverrunError&) {
      person.tell("* that line is too long, good bye");
    } catch (const coil::TimeoutError&) {
      person.tell("* good bye");
    } catch (const std::system_error&) {
      // The connection has ended, or the person was let go.
    }
    std::erase(people_, &person);
    if (!person.room.empty()) broadcast(person, "* " + person.name + " has left");
  }

  /// No more is listened to; what is on its way to the people still gets there.
  void close() {
    for (Person* person : people_) {
      person->tell("* the chat closes, good bye");
      person->stream.close();
    }
  }

private:
  /// A line that is not empty, without its end. Errors: EPIPE at the end of the connection.
  static coil::Coro<std::string> read_line(Person& person) {
    for (;;) {
      std::string line = co_await person.stream.read_line();
      if (line.empty()) throw std::system_error(EPIPE, std::system_category());
      for (char& c : line) {
        if (static_cast<unsigned char>(c) < ' ' || c == 127) c = ' ';  // nobody's terminal is to be commanded
      }
      line.erase(line.find_last_not_of(' ') + 1);
      if (!line.empty()) co_return line;
    }
  }

  static bool is_name(const std::string& name) {
    return name.size() <= name_max && name.find_first_of(" */:") == std::string::npos;
  }

  coil::Coro<void> ask_name(Person& person) {
    person.tell("* welcome, what is your name?");
    while (person.name.empty()) {
      const std::string name = co_await read_line(person);
      if (!is_name(name))
        person.tell("* a name has up to 32 characters, none of them blank, *, / or :. What is yours?");
      else if (std::ranges::find(people_, name, &Person::name) != people_.end())
        person.tell("* " + name + " is here already. What is your name?");
      else
        person.name = name;
    }
  }

  coil::Coro<void> listen(Person& person) {
    for (;;) {
      const std::string line = co_await read_line(person);
      if (line == "/quit") co_return;
      if (line == "/who") {
        person.tell("* here: " + people_in(person.room));
      } else if (line.starts_with("/join ") && is_name(line.substr(6))) {
        broadcast(person, "* " + person.name + " has left");
        enter(person, line.substr(6));
      } else if (line[0] == '/') {
        person.tell("* there are /join ROOM, /who and /quit");
      } else {
        broadcast(person, person.name + ": " + line);
      }
      co_await person.stream.drain();
    }
  }

  void enter(Person& person, const std::string& room) {
    person.room = room;
    person.tell("* you are in " + room + ", with: " + people_in(room));
    broadcast(person, "* " + person.name + " has come");
  }

  std::string people_in(const std::string& room) const {
    std::string names;
    for (const Person* person : people_) {
      if (person->room == room) names += (names.empty() ? "" : ", ") + person->name;
    }
    return names;
  }

  void broadcast(const Person& from, const std::string& text) {
    for (Person* person : people_) {
      if (person != &from && person->room == from.room) person->tell(text);
    }
  }

  std::vector<Person*> people_;
};

coil::Coro<int> chat(std::uint16_t port) {
  Chat people;
  const auto serve = [&](coil::Stream stream) { return people.serve(std::move(stream)); };
  const auto close = [&] { people.close(); };
  const coil::ServerOptions options{.max_connections = people_max, .stream = {.limit = line_max}};
  co_return co_await example::serve(serve, port, options, close);
}

}  // namespace

int main(int argc, char** argv) {
  example::check_arguments(argc, argv, 0, 1, usage_line);
  const std::uint16_t port = example::parse_port(argc, argv, default_port, usage_line);
  return example::run([port] { return chat(port); }, "chat: ");
}
