#include "services/signaling_edge/core/via_stamp.h"

#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_text.h"
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

}  // namespace

void StampReceived(SipMessage& request, const SocketAddress& source) {
  const SipMessage::Values vias = request.Items(HeaderId::kVia);
  if (vias.empty()) return;
  const auto via = ParseVia(vias.front());
  if (!via.ok()) return;
  const std::string ip = source.Canonical().IpText();
  const bool wants_port = via->rport().has_value();
  std::string host(via->host);
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  if (!wants_port && host == ip && !via->received().has_value()) return;
  std::string params;
  ParamReader reader(via->params);
  SipParam param;
  while (reader.Next(param)) {
    if (EqualsIgnoreCase(param.name, "received") ||
        EqualsIgnoreCase(param.name, "rport")) {
      continue;
    }
    CatTo(params, ";", param.name);
    if (param.has_value) CatTo(params, "=", param.value);
  }
  CatTo(params, ";received=", ip);
  if (wants_port) CatTo(params, ";rport=", source.port());
  Via stamped = *via;
  stamped.params = params;
  const std::string text = stamped.ToString();
  request.RemoveFirstItem(HeaderId::kVia);
  request.AddFirst(HeaderId::kVia, text);
}

SocketAddress ResponseAddress(const SipMessage& request,
                              const SocketAddress& source) {
  const SipMessage::Values vias = request.Items(HeaderId::kVia);
  if (vias.empty()) return source;
  const auto via = ParseVia(vias.front());
  if (!via.ok() || via->rport().has_value()) return source;
  return source.WithPort(via->sent_by_port());
}

std::string HostPortText(std::string_view host, uint16_t port,
                         SipTransport transport) {
  const bool v6 = host.find(':') != std::string_view::npos;
  std::string text = v6 ? Cat("[", host, "]") : std::string(host);
  if (port != DefaultPort(transport)) CatTo(text, ":", port);
  return text;
}

void AddVia(SipMessage& request, const EdgeListener& listener,
            std::string_view branch) {
  request.AddFirst(
      HeaderId::kVia,
      Cat("SIP/2.0/", TransportName(listener.transport), " ",
          HostPortText(listener.host, listener.port, listener.transport),
          ";branch=", kBranchCookie, branch, ";rport"));
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

}  // namespace sallyport::signaling_edge
