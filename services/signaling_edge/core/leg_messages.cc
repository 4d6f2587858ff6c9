#include "services/signaling_edge/core/leg_messages.h"

#include <cstddef>

#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

constexpr std::string_view kSdpType = "application/sdp";

}  // namespace

std::string HexOf(uint64_t value) {
  std::string out(16, '0');
  for (size_t i = 16; i-- > 0; value >>= 4) {
    out[i] = "0123456789abcdef"[value & 15];
  }
  return out;
}

uint32_t CseqNumber(const SipMessage& message) {
  const auto cseq = ParseCseq(message.Value(HeaderId::kCseq));
  return cseq.ok() ? cseq->number : 0;
}

bool IsEncoded(const SipMessage& message) {
  const std::string_view coding = message.Value(HeaderId::kContentEncoding);
  return !coding.empty() && !EqualsIgnoreCase(coding, "identity");
}

bool HasSdp(const SipMessage& message) {
  if (message.body().empty() || IsEncoded(message)) return false;
  const auto type = ParseValueWithParams(message.Value(HeaderId::kContentType));
  return type.ok() && EqualsIgnoreCase(type->value, kSdpType);
}

bool MayHoldSdp(const SipMessage& message) {
  if (message.body().empty()) return false;
  const auto type = ParseValueWithParams(message.Value(HeaderId::kContentType));
  if (!type.ok()) return true;
  const std::string_view value = type->value;
  const size_t slash = value.find('/');
  if (slash == std::string_view::npos) return true;
  const std::string_view kind = value.substr(0, slash);
  return EqualsIgnoreCase(value, kSdpType) ||
         EqualsIgnoreCase(kind, "multipart") ||
         EqualsIgnoreCase(kind, "message");
}

void AddSdp(SipMessage& message, std::string_view body) {
  if (body.empty()) return;
  message.Add(HeaderId::kContentType, kSdpType);
  message.SetBody(body);
}

bool IsExchange(SipMethod method) {
  return method == SipMethod::kInvite || method == SipMethod::kUpdate;
}

bool NamesToken(const SipMessage& message, HeaderId id,
                std::string_view token) {
  for (const std::string_view list : message.All(id)) {
    if (ListHasToken(list, token)) return true;
  }
  return false;
}

uint32_t RseqOf(const SipMessage& response) {
  return ParseDeltaSeconds(response.Value(HeaderId::kRseq)).value_or(0);
}

bool IsReliableProvisional(const SipMessage& response) {
  const int code = response.status_code();
  return code > 100 && code < 200 && RseqOf(response) != 0 &&
         NamesToken(response, HeaderId::kRequire, "100rel");
}

std::string RackFor(const SipMessage& response) {
  return Cat(RseqOf(response), " ", response.Value(HeaderId::kCseq));
}

}  // namespace sallyport::signaling_edge
