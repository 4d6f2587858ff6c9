// A pipe that nobody reads, until somebody does.

#ifndef SALLYPORT_SERVICES_COMMON_TESTING_STUCK_PIPE_H_
#define SALLYPORT_SERVICES_COMMON_TESTING_STUCK_PIPE_H_

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <string>
#include <vector>

#include "services/common/net/unique_fd.h"
#include "services/common/status/check.h"

namespace sallyport {

// Full from the start, of lines of dots. Thread-compatible.
class StuckPipe {
 public:
  StuckPipe() {
    signal(SIGPIPE, SIG_IGN);
    std::array<int, 2> fds;
    SP_CHECK(pipe2(fds.data(), O_CLOEXEC) == 0);
    out_ = UniqueFd(fds[0]);
    in_ = UniqueFd(fds[1]);
    SetNonBlocking(true);
    for (std::string dots = std::string(4095, '.') + "\n"; !dots.empty();) {
      if (write(in_.get(), dots.data(), dots.size()) < 0) {
        dots.erase(0, dots.size() / 2 + 1);
      }
    }
    SetNonBlocking(false);
  }

  int in() const { return in_.get(); }
  void SetNonBlocking(bool on) {
    fcntl(in_.get(), F_SETFL, on ? O_NONBLOCK : 0);
  }
  // The lines that come until one with `last` in it has come, without the
  // dots.
  std::vector<std::string> ReadUntil(const std::string& last) {
    std::vector<std::string> lines;
    std::array<char, 4096> buffer;
    bool found = false;
    while (!found) {
      const ssize_t n = read(out_.get(), buffer.data(), buffer.size());
      if (n <= 0) return lines;
      text_.append(buffer.data(), static_cast<size_t>(n));
      for (size_t end; (end = text_.find('\n')) != std::string::npos;) {
        const std::string line = text_.substr(0, end);
        text_.erase(0, end + 1);
        if (line.empty() || line[0] == '.') continue;
        lines.push_back(line);
        found = found || line.find(last) != std::string::npos;
      }
    }
    return lines;
  }
  void CloseReader() { out_.reset(); }
  void CloseWriter() { in_.reset(); }

 private:
  UniqueFd out_;
  UniqueFd in_;
  std::string text_;  // the line that is not whole yet
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_TESTING_STUCK_PIPE_H_
