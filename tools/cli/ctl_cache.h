// The trust lists that a voicemail server has taken, as files (CUC-07, CUC-84).

#ifndef SALLYPORT_TOOLS_CLI_CTL_CACHE_H_
#define SALLYPORT_TOOLS_CLI_CTL_CACHE_H_

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sallyport::cli {

// One list for each TFTP server, as "<guid>.tlv" in a folder: the same server
// has the same name. Thread-compatible.
class CtlCache {
 public:
  explicit CtlCache(std::string folder) : folder_(std::move(folder)) {}

  // Of the server as "address:port".
  std::string PathOf(const std::string& server) const;

  // NOT_FOUND if none was taken; UNAVAILABLE if it cannot be read.
  absl::StatusOr<std::string> Read(const std::string& server) const;
  // Makes the folder if it is not there; replaces at once or not at all.
  absl::Status Write(const std::string& server, const std::string& list) const;
  // NOT_FOUND, CTL_NOT_CACHED, if there is none.
  absl::Status Remove(const std::string& server) const;

 private:
  const std::string folder_;
};

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_CTL_CACHE_H_
