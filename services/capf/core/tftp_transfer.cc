#include "services/capf/core/tftp_transfer.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace sallyport::capf {
namespace {

constexpr uint32_t kMinBlockSize = 8;      // RFC 2348
constexpr uint32_t kMaxBlockSize = 65464;  // RFC 2348
constexpr uint32_t kMaxTimeout = 255;      // RFC 2349, seconds

std::optional<uint32_t> Number(const std::string& text) {
  uint32_t value = 0;
  if (text.empty() || text.size() > 10 ||
      text.find_first_not_of("0123456789") != std::string::npos ||
      !absl::SimpleAtoi(text, &value)) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

TftpTransfer::TftpTransfer(std::shared_ptr<const std::string> content,
                           const TftpReadRequest& request,
                           const TftpLimits& limits)
    : content_(std::move(content)),
      limits_(limits),
      interval_(limits.retransmit) {
  Negotiate(request, limits);
}

void TftpTransfer::Negotiate(const TftpReadRequest& request,
                             const TftpLimits& limits) {
  for (const TftpOption& option : request.options) {
    const std::optional<uint32_t> value = Number(option.value);
    if (!value) continue;
    if (option.name == "blksize" && *value >= kMinBlockSize &&
        *value <= kMaxBlockSize) {
      block_size_ = std::min<size_t>(*value, limits.max_block_size);
      granted_.push_back({"blksize", absl::StrCat(block_size_)});
    } else if (option.name == "timeout" && *value >= 1 &&
               *value <= kMaxTimeout) {
      // The client's word is echoed, or the option is not granted.
      const absl::Duration asked = absl::Seconds(*value);
      if (asked > limits.max_retransmit) continue;
      interval_ = asked;
      fixed_interval_ = true;
      granted_.push_back({"timeout", option.value});
    } else if (option.name == "tsize") {
      granted_.push_back({"tsize", absl::StrCat(content_->size())});
    }
  }
}

std::string TftpTransfer::Begin(MonoTime now) {
  if (granted_.empty()) return SendBlock(now);
  awaiting_option_ack_ = true;
  return Send(WriteTftpOptionAck(granted_), now);
}

std::optional<std::string> TftpTransfer::OnPacket(ByteSpan packet,
                                                  MonoTime now) {
  if (outcome_ != TftpOutcome::kRunning) return std::nullopt;
  if (IsTftpError(packet)) {
    End(TftpOutcome::kAborted);
    return std::nullopt;
  }
  const std::optional<uint16_t> ack = ParseTftpAck(packet);
  if (!ack) return std::nullopt;
  if (awaiting_option_ack_) {
    if (*ack != 0) return std::nullopt;
    awaiting_option_ack_ = false;
    return SendBlock(now);
  }
  // A repeated ACK of an earlier block is not answered: both sides would send
  // everything twice from then on (RFC 1123 section 4.2.3.1).
  if (*ack != static_cast<uint16_t>(acknowledged_ + 1)) return std::nullopt;
  ++acknowledged_;
  if (acknowledged_ * block_size_ > content_->size()) {
    End(TftpOutcome::kSent);
    return std::nullopt;
  }
  return SendBlock(now);
}

std::optional<std::string> TftpTransfer::OnDeadline(MonoTime now) {
  if (outcome_ != TftpOutcome::kRunning || now < deadline_) {
    return std::nullopt;
  }
  if (sends_ >= limits_.max_sends) {
    End(TftpOutcome::kTimedOut);
    return std::nullopt;
  }
  ++sends_;
  if (!fixed_interval_) wait_ = std::min(wait_ * 2, limits_.max_retransmit);
  deadline_ = now + wait_;
  return last_sent_;
}

std::optional<std::string> TftpTransfer::OnRepeatedRequest() {
  const bool begun =
      acknowledged_ > 0 || (!granted_.empty() && !awaiting_option_ack_);
  if (outcome_ != TftpOutcome::kRunning || begun ||
      sends_ >= limits_.max_sends) {
    return std::nullopt;
  }
  ++sends_;
  return last_sent_;
}

std::string TftpTransfer::SendBlock(MonoTime now) {
  // A file of a whole number of blocks ends with an empty one.
  const size_t offset = static_cast<size_t>(acknowledged_) * block_size_;
  return Send(
      WriteTftpData(static_cast<uint16_t>(acknowledged_ + 1),
                    std::string_view(*content_).substr(offset, block_size_)),
      now);
}

std::string TftpTransfer::Send(std::string packet, MonoTime now) {
  sends_ = 1;
  wait_ = interval_;
  deadline_ = now + wait_;
  last_sent_ = packet;
  return packet;
}

void TftpTransfer::End(TftpOutcome outcome) {
  outcome_ = outcome;
  deadline_ = MonoTime::InfiniteFuture();
}

}  // namespace sallyport::capf
