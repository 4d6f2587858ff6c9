// Fetching one file by TFTP, as a phone or a voicemail server does.

#ifndef SALLYPORT_TOOLS_CLI_TFTP_GET_H_
#define SALLYPORT_TOOLS_CLI_TFTP_GET_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/net/socket_address.h"

namespace sallyport::cli {

// Reads `file_name` in octet mode, without options, at most 4 MiB (RFC 1350).
// NOT_FOUND, reason TFTP_FILE_NOT_FOUND, for the server's error 1; UNAVAILABLE,
// reason TFTP_NO_ANSWER, if nothing came in `patience` though it was asked for
// each second; FAILED_PRECONDITION, reason TFTP_REFUSED, for another error,
// whose words are in the message. Blocks.
absl::StatusOr<std::string> TftpGet(const SocketAddress& server,
                                    const std::string& file_name,
                                    absl::Duration patience);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_TFTP_GET_H_
