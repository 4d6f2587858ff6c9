// Messages of the Trivial File Transfer Protocol, as a server that only sends
// reads and writes them (RFC 1350; options by RFC 2347, 2348 and 2349).

#ifndef SALLYPORT_SERVICES_CAPF_CORE_TFTP_MESSAGE_H_
#define SALLYPORT_SERVICES_CAPF_CORE_TFTP_MESSAGE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/bytes/byte_span.h"

namespace sallyport::capf {

// RFC 1350 appendix I; 8 is of RFC 2347.
enum class TftpErrorCode : uint16_t {
  kUndefined = 0,
  kFileNotFound = 1,
  kAccessViolation = 2,
  kDiskFull = 3,
  kIllegalOperation = 4,
  kUnknownTransferId = 5,
  kFileExists = 6,
  kNoSuchUser = 7,
  kOptionRefused = 8,
};

// One option as it was asked for or is granted. Names are in lower case.
struct TftpOption {
  std::string name;
  std::string value;

  bool operator==(const TftpOption&) const = default;
};

struct TftpReadRequest {
  std::string file_name;  // 1 to 128 printable octets
  std::vector<TftpOption> options;

  bool operator==(const TftpReadRequest&) const = default;
};

// Why a first packet starts no transfer; each is answered by an ERROR but
// kSilent, for what is no request at all.
struct TftpRefusal {
  TftpErrorCode code = TftpErrorCode::kIllegalOperation;
  std::string_view message;
  bool silent = false;
};

// Reads a first packet. Only `octet` files are sent: what phones fetch is
// signed, and a translation of line ends would break the signature. At most
// 16 options and 512 octets (RFC 2347), no name twice.
struct TftpRequestResult {
  std::optional<TftpReadRequest> request;
  TftpRefusal refusal;  // if there is no request
};
TftpRequestResult ParseTftpRequest(ByteSpan packet);

// The number that an ACK acknowledges; nullopt for any other packet.
std::optional<uint16_t> ParseTftpAck(ByteSpan packet);
// Whether it is an ERROR: the other side has given up.
bool IsTftpError(ByteSpan packet);

std::string WriteTftpData(uint16_t block, std::string_view data);
std::string WriteTftpOptionAck(const std::vector<TftpOption>& options);
std::string WriteTftpError(TftpErrorCode code, std::string_view message);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_TFTP_MESSAGE_H_
