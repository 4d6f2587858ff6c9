// One file on its way to one client, in lock-step (RFC 1350 section 2).

#ifndef SALLYPORT_SERVICES_CAPF_CORE_TFTP_TRANSFER_H_
#define SALLYPORT_SERVICES_CAPF_CORE_TFTP_TRANSFER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "services/capf/core/tftp_message.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/time/mono_time.h"

namespace sallyport::capf {

struct TftpLimits {
  // Largest block granted (RFC 2348): with its headers it fits an Ethernet
  // frame, as phones do not all reassemble.
  size_t max_block_size = 1428;
  // Until a packet is sent again, doubled each time; `timeout` of RFC 2349
  // replaces it, and is then not doubled.
  absl::Duration retransmit = absl::Seconds(1);
  absl::Duration max_retransmit = absl::Seconds(8);
  // Times that one packet is sent: a request may be forged, and what is sent
  // again then goes to somebody who never asked.
  int max_sends = 5;
};

enum class TftpOutcome { kRunning, kSent, kTimedOut, kAborted };

// The server's side. Every input returns the packet to send, if there is one.
// Thread-compatible.
class TftpTransfer {
 public:
  // `content` stays unchanged while it is sent, whatever is published.
  TftpTransfer(std::shared_ptr<const std::string> content,
               const TftpReadRequest& request, const TftpLimits& limits);

  // OACK if any option is granted, else the first block.
  std::string Begin(MonoTime now);
  std::optional<std::string> OnPacket(ByteSpan packet, MonoTime now);
  std::optional<std::string> OnDeadline(MonoTime now);
  // The client repeated its request, so it has seen nothing yet.
  std::optional<std::string> OnRepeatedRequest();

  TftpOutcome outcome() const { return outcome_; }
  // InfiniteFuture once it is over.
  MonoTime deadline() const { return deadline_; }

 private:
  // Grants what is known and in range; the rest is left out of the answer, as
  // RFC 2347 asks.
  void Negotiate(const TftpReadRequest& request, const TftpLimits& limits);
  std::string Send(std::string packet, MonoTime now);
  std::string SendBlock(MonoTime now);
  void End(TftpOutcome outcome);

  const std::shared_ptr<const std::string> content_;
  const TftpLimits limits_;
  size_t block_size_ = 512;
  absl::Duration interval_;
  bool fixed_interval_ = false;
  std::vector<TftpOption> granted_;
  // Blocks acknowledged. The number on the wire is its low 16 bits, which
  // begin again after 32 MiB of the smallest blocks.
  uint64_t acknowledged_ = 0;
  bool awaiting_option_ack_ = false;
  std::string last_sent_;
  int sends_ = 0;
  absl::Duration wait_;
  MonoTime deadline_ = MonoTime::InfiniteFuture();
  TftpOutcome outcome_ = TftpOutcome::kRunning;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_TFTP_TRANSFER_H_
