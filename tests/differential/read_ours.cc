// What our parser reads (record.h).
#include <cstdlib>
#include <string>
#include <string_view>

#include "services/common/status/error_reason.h"
#include "services/signaling_edge/core/sip_headers.h"
#include "services/signaling_edge/core/sip_parser.h"
#include "services/signaling_edge/core/sip_uri.h"
#include "tests/differential/record.h"

namespace sallyport::signaling_edge {
namespace {

void Write(const char* key, std::string_view value) {
  WriteValue(key, value.data(), value.size());
}

void WriteOurUri(const char* key, std::string_view text) {
  const auto uri = ParseSipUri(text);
  if (!uri.ok()) {
    Write(key, std::string("?").append(text));
    return;
  }
  const char* scheme = uri->scheme == UriScheme::kSip    ? "sip"
                       : uri->scheme == UriScheme::kSips ? "sips"
                                                         : "tel";
  const std::string user(uri->user);
  const std::string host(uri->host);
  const std::string port =
      uri->port.has_value() ? std::to_string(*uri->port) : "";
  WriteUri(key, scheme, user.c_str(), host.c_str(), port.c_str());
}

void WriteAddress(const char* key, const char* tag, std::string_view value) {
  const auto address = ParseNameAddr(value);
  if (!address.ok()) return Write(key, "unreadable");
  WriteOurUri(key, address->uri);
  if (tag != nullptr) Write(tag, address->tag());
}

void WriteAddresses(const char* key, const SipMessage& message, HeaderId id) {
  for (const std::string_view item : message.Items(id)) {
    if (IsStar(item)) {
      Write(key, "*");
    } else {
      WriteAddress(key, nullptr, item);
    }
  }
}

void Read(std::string_view text) {
  const auto message = ParseSipMessage(text, ParsePolicy());
  if (!message.ok()) {
    Write("refused", ReasonOf(message.status()));
    return;
  }
  if (message->is_request()) {
    Write("method", message->method_text());
    WriteOurUri("uri", message->request_uri());
  } else {
    WriteNumber("status", static_cast<unsigned long>(message->status_code()));
  }
  WriteAddress("from", "from_tag", message->Value(HeaderId::kFrom));
  WriteAddress("to", "to_tag", message->Value(HeaderId::kTo));
  Write("call_id", message->Value(HeaderId::kCallId));
  if (const auto cseq = ParseCseq(message->Value(HeaderId::kCseq)); cseq.ok()) {
    WriteNumber("cseq", cseq->number);
    Write("cseq_method", cseq->method_text);
  }
  for (const std::string_view item : message->Items(HeaderId::kVia)) {
    const auto via = ParseVia(item);
    if (!via.ok()) {
      Write("via", "unreadable");
      continue;
    }
    const std::string transport(via->transport_text);
    const std::string host(via->host);
    const std::string port =
        via->port.has_value() ? std::to_string(*via->port) : "";
    const std::string branch(via->branch());
    WriteUri("via", transport.c_str(), branch.c_str(), host.c_str(),
             port.c_str());
  }
  WriteAddresses("contact", *message, HeaderId::kContact);
  WriteAddresses("route", *message, HeaderId::kRoute);
  WriteAddresses("record_route", *message, HeaderId::kRecordRoute);
  if (message->Has(HeaderId::kContentLength)) {
    WriteNumber(
        "length",
        strtoul(std::string(message->Value(HeaderId::kContentLength)).c_str(),
                nullptr, 10));
  }
  Write("body", message->body());
}

}  // namespace
}  // namespace sallyport::signaling_edge

int main() {
  size_t size = 0;
  while (char* text = NextMessage(&size)) {
    sallyport::signaling_edge::Read(std::string_view(text, size));
    EndRecord();
    free(text);
  }
  return 0;
}
