#include "tools/cli/tftp_get.h"

#include <poll.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/bytes/byte_reader.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/byte_writer.h"
#include "services/common/net/udp_socket.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "tools/cli/table.h"

namespace sallyport::cli {
namespace {

enum Opcode : uint16_t { kReadRequest = 1, kData = 3, kAck = 4, kError = 5 };

constexpr size_t kBlock = 512;
constexpr size_t kMaxFile = 4 * 1024 * 1024;
constexpr uint16_t kFileNotFound = 1;
constexpr absl::Duration kAskAgain = absl::Seconds(1);

std::string RequestFor(const std::string& file_name) {
  ByteBuilder out;
  out.WriteU16(kReadRequest);
  out.WriteText(file_name);
  out.WriteU8(0);
  out.WriteText("octet");
  out.WriteU8(0);
  return out.Take();
}

std::string AckOf(uint16_t block) {
  ByteBuilder out;
  out.WriteU16(kAck);
  out.WriteU16(block);
  return out.Take();
}

absl::Status ErrorOf(ByteReader& reader) {
  const uint16_t code = reader.ReadU16().value_or(0);
  std::string words = ToString(reader.ReadRest());
  words.resize(std::min(words.size(), words.find('\0')));
  words = absl::StrCat("TFTP error ", code, ": ", Printable(words));
  if (code == kFileNotFound) {
    return MakeError(absl::StatusCode::kNotFound, "TFTP_FILE_NOT_FOUND", words);
  }
  return MakeError(absl::StatusCode::kFailedPrecondition, "TFTP_REFUSED",
                   words);
}

// One side of the conversation; the server's port is known from its first
// answer on.
class Transfer {
 public:
  Transfer(UdpSocket& socket, const SocketAddress& server,
           const std::string& file_name)
      : socket_(socket), server_(server), last_(RequestFor(file_name)) {}

  bool done() const { return done_; }
  std::string& content() { return content_; }

  void Send() {
    socket_
        .SendOne({.payload = AsBytes(last_),
                  .peer = peer_.value_or(server_),
                  .local = std::nullopt})
        .IgnoreError();
  }

  // OK and news: true if it was the block that was waited for.
  absl::StatusOr<bool> Take(const ReceivedDatagram& datagram) {
    if (datagram.peer.WithPort(0) != server_.WithPort(0) ||
        (peer_ && datagram.peer != *peer_)) {
      return false;
    }
    ByteReader reader(datagram.payload);
    const std::optional<uint16_t> opcode = reader.ReadU16();
    if (opcode == kError) return ErrorOf(reader);
    const std::optional<uint16_t> block = reader.ReadU16();
    if (opcode != kData || !block || *block != next_) return false;
    const ByteSpan data = reader.ReadRest();
    if (data.size() > kBlock || content_.size() + data.size() > kMaxFile) {
      return MakeError(absl::StatusCode::kFailedPrecondition, "TFTP_REFUSED",
                       "the server sends more than was asked for");
    }
    peer_ = datagram.peer;
    content_ += AsText(data);
    last_ = AckOf(next_++);
    done_ = data.size() < kBlock;
    Send();
    return true;
  }

 private:
  UdpSocket& socket_;
  const SocketAddress server_;
  std::optional<SocketAddress> peer_;
  std::string last_;
  uint16_t next_ = 1;
  std::string content_;
  bool done_ = false;
};

}  // namespace

absl::StatusOr<std::string> TftpGet(const SocketAddress& server,
                                    const std::string& file_name,
                                    absl::Duration patience) {
  SP_ASSIGN_OR_RETURN(
      UdpSocket socket,
      UdpSocket::Bind(server.is_v6() ? SocketAddress::AnyV6(0)
                                     : SocketAddress::AnyV4(0)));
  UdpReceiveBuffer buffer(1);
  Transfer transfer(socket, server, file_name);
  absl::Time last_news = absl::Now();
  transfer.Send();
  while (!transfer.done()) {
    pollfd ready = {.fd = socket.fd(), .events = POLLIN, .revents = 0};
    poll(&ready, 1, static_cast<int>(absl::ToInt64Milliseconds(kAskAgain)));
    SP_ASSIGN_OR_RETURN(const absl::Span<ReceivedDatagram> batch,
                        socket.Receive(buffer));
    bool news = false;
    for (const ReceivedDatagram& datagram : batch) {
      SP_ASSIGN_OR_RETURN(const bool taken, transfer.Take(datagram));
      news = news || taken;
    }
    if (news) {
      last_news = absl::Now();
    } else if (absl::Now() - last_news > patience) {
      return MakeError(absl::StatusCode::kUnavailable, "TFTP_NO_ANSWER",
                       "the TFTP server does not answer");
    } else if (batch.empty()) {
      transfer.Send();
    }
  }
  return std::move(transfer.content());
}

}  // namespace sallyport::cli
