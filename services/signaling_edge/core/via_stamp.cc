#include "services/signaling_edge/core/via_stamp.h"

#include <algorithm>

#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_text.h"
#include "services/signaling_edge/core/sip_uri.h"
#include "services/signaling_edge/core/text_pieces.h"

namespace sallyport::signaling_edge {
namespace {

uint16_t DefaultPort(SipTransport transport) {
  return transport == SipTransport::kTls ? 5061 : 5060;
}

std::string LowerName(SipTransport transport) {
  std::string name(TransportName(transport));
  for (char& c : name) c = ToLower(c);
  return name;
}

// URI parameters but for "transport".
std::string WithoutTransport(std::string_view params) {
  std::string out;
  while (!params.empty()) {
    const size_t end = std::min(params.find(';', 1), params.size());
    const std::string_view one = params.substr(0, end);
    params.remove_prefix(end);
    if (!EqualsIgnoreCase(one.substr(0, one.find('=')), ";transport")) {
      out += one;
    }
  }
  return out;
}

// RFC 6223 section 4.3: for a registration or for a call, and without a value.
bool AsksToKeep(const SipMessage& request, const Via& via) {
  if (request.method() != SipMethod::kRegister &&
      request.method() != SipMethod::kInvite) {
    return false;
  }
  ParamReader reader(via.params);
  SipParam param;
  while (reader.Next(param)) {
    if (EqualsIgnoreCase(param.name, "keep")) return !param.has_value;
  }
  return false;
}

}  // namespace

SocketAddress StampReceived(SipMessage& request, const SocketAddress& source,
                            absl::Duration keep) {
  const std::string_view item = request.FirstItem(HeaderId::kVia);
  const auto via = ParseVia(item);
  if (!via.ok()) return source;
  const bool wants_port = via->rport().has_value();
  const SocketAddress reply_to =
      wants_port ? source : source.WithPort(via->sent_by_port());
  const std::string ip = source.Canonical().IpText();
  std::string_view host = via->host;
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  const bool asks = AsksToKeep(request, *via);
  if (!wants_port && !asks && host == ip && !via->received().has_value()) {
    return reply_to;
  }
  std::string stamped;
  stamped.reserve(item.size() + sizeof(";received=;rport=65535") + ip.size());
  via->AppendTo(stamped);
  ParamReader reader(via->params);
  SipParam param;
  while (reader.Next(param)) {
    if (EqualsIgnoreCase(param.name, "received") ||
        EqualsIgnoreCase(param.name, "rport") ||
        (asks && EqualsIgnoreCase(param.name, "keep"))) {
      continue;
    }
    CatTo(stamped, ";", param.name);
    if (param.has_value) CatTo(stamped, "=", param.value);
  }
  CatTo(stamped, ";received=", ip);
  if (wants_port) CatTo(stamped, ";rport=", source.port());
  if (asks) CatTo(stamped, ";keep=", absl::ToInt64Seconds(keep));
  request.ReplaceFirstItem(HeaderId::kVia, stamped);
  return reply_to;
}

std::string HostPortText(std::string_view host, uint16_t port,
                         SipTransport transport) {
  const bool v6 = host.find(':') != std::string_view::npos;
  std::string text = v6 ? Cat("[", host, "]") : std::string(host);
  if (port != DefaultPort(transport)) CatTo(text, ":", port);
  return text;
}

void AddVia(SipMessage& request, const EdgeListener& listener,
            std::string_view branch, bool alias) {
  request.AddFirst(
      HeaderId::kVia,
      Cat("SIP/2.0/", TransportName(listener.transport), " ",
          HostPortText(listener.host, listener.port, listener.transport),
          ";branch=", kBranchCookie, branch, ";rport", alias ? ";alias" : ""));
}

std::string BranchOf(const SipMessage& request) {
  const auto via = ParseVia(request.FirstItem(HeaderId::kVia));
  if (!via.ok() || !via->branch().starts_with(kBranchCookie)) return {};
  return std::string(via->branch().substr(kBranchCookie.size()));
}

std::string ContactUri(const EdgeListener& listener) {
  std::string uri =
      Cat("sip:", listener.user, "@",
          HostPortText(listener.host, listener.port, listener.transport));
  if (listener.transport != SipTransport::kUdp) {
    CatTo(uri, ";transport=", LowerName(listener.transport));
  }
  return uri;
}

std::string ServiceRouteUri(std::string_view host,
                            const EdgeListener& listener) {
  return Cat("sip:", HostPortText(host, listener.port, listener.transport),
             ";transport=", LowerName(listener.transport), ";lr");
}

std::string AsSips(std::string_view text) {
  auto uri = ParseSipUri(text);
  if (!uri.ok() || uri->scheme != UriScheme::kSip) return std::string(text);
  const std::string params = WithoutTransport(uri->params);
  uri->scheme = UriScheme::kSips;
  uri->params = params;
  return uri->ToString();
}

std::string AsSip(std::string_view text) {
  auto uri = ParseSipUri(text);
  if (!uri.ok() || uri->scheme != UriScheme::kSips) return std::string(text);
  const std::string params =
      Cat(WithoutTransport(uri->params), ";transport=tls");
  uri->scheme = UriScheme::kSip;
  uri->params = params;
  return uri->ToString();
}

}  // namespace sallyport::signaling_edge
