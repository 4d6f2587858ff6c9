// An archive of files in memory, in the POSIX form that tar reads.

#ifndef SALLYPORT_TOOLS_CLI_TAR_WRITER_H_
#define SALLYPORT_TOOLS_CLI_TAR_WRITER_H_

#include <string>

#include "absl/time/time.h"

namespace sallyport::cli {

// Collects files of mode 0600 (POSIX.1-1988 ustar). Thread-compatible.
class TarWriter {
 public:
  // `name` has up to 100 octets; `content` less than 8 GiB.
  void Add(const std::string& name, const std::string& content,
           absl::Time time);
  // The archive with what was added.
  std::string Finish() const;

 private:
  std::string octets_;
};

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_TAR_WRITER_H_
