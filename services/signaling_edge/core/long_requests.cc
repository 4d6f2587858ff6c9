#include "services/signaling_edge/core/long_requests.h"

#include <algorithm>
#include <string_view>

#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/sip_uri.h"
#include "services/signaling_edge/core/sip_writer.h"

namespace sallyport::signaling_edge {
namespace {

// RFC 3261 section 18.1.1: of an unknown path, and what is left of a known one
// for headers below and for the answer, which is longer than the request.
constexpr size_t kUnknownPath = 1300;
constexpr uint32_t kReserve = 200;

// Whether the URI to which it goes next has transport=tcp.
bool NamesTcp(const SipMessage& request) {
  std::string_view text = request.request_uri();
  if (const std::string_view route = request.FirstItem(HeaderId::kRoute);
      !route.empty()) {
    const auto hop = ParseNameAddr(route);
    if (!hop.ok()) return false;
    text = hop->uri;
  }
  if (text.find(';') == std::string_view::npos) return false;
  const auto uri = ParseSipUri(text);
  if (!uri.ok()) return false;
  const auto transport = FindParam(uri->params, "transport");
  return transport.has_value() && EqualsIgnoreCase(*transport, "tcp");
}

}  // namespace

size_t LongRequests::limit() const {
  if (options_.path_mtu == 0) return kUnknownPath;
  return std::max(options_.path_mtu, kReserve) - kReserve;
}

bool LongRequests::IsLong(const SipMessage& request) const {
  return WrittenSize(request) > limit();
}

bool LongRequests::WantsStream(const SipMessage& request) const {
  return IsLong(request) || NamesTcp(request);
}

ConnectionId LongRequests::ConnectionTo(const SocketAddress& address) const {
  const auto it = connections_.find(address);
  return it == connections_.end() ? 0 : it->second;
}

void LongRequests::NoteConnection(const SocketAddress& address,
                                  ConnectionId id) {
  connections_[address] = id;
}

void LongRequests::ForgetConnection(const SocketAddress& address,
                                    ConnectionId id) {
  if (ConnectionTo(address) == id) connections_.erase(address);
}

void LongRequests::NoteRefused(const SocketAddress& address, MonoTime now) {
  if (refused_until_.size() >= options_.max_remembered) {
    absl::erase_if(refused_until_,
                   [now](const auto& entry) { return entry.second <= now; });
  }
  // Who finds no room is merely tried each time.
  if (refused_until_.size() >= options_.max_remembered &&
      !refused_until_.contains(address)) {
    return;
  }
  refused_until_[address] = now + options_.udp_for;
}

bool LongRequests::IsRefused(const SocketAddress& address, MonoTime now) const {
  const auto it = refused_until_.find(address);
  return it != refused_until_.end() && now < it->second;
}

}  // namespace sallyport::signaling_edge
