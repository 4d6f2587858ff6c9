#include "services/signaling_edge/core/sip_writer.h"

#include "services/signaling_edge/core/sip_headers.h"

namespace sallyport::signaling_edge {

void AppendSipMessage(const SipMessage& message, std::string& out) {
  if (message.is_request()) {
    out.append(message.method_text());
    out.push_back(' ');
    out.append(message.request_uri());
    out.append(" SIP/2.0\r\n");
  } else {
    out.append("SIP/2.0 ");
    out.append(std::to_string(message.status_code()));
    out.push_back(' ');
    out.append(message.reason_phrase());
    out.append("\r\n");
  }
  for (size_t i = 0; i < message.header_count(); ++i) {
    const SipMessage::Header header = message.header(i);
    if (header.id == HeaderId::kContentLength) continue;
    out.append(header.name);
    out.append(": ");
    out.append(header.value);
    out.append("\r\n");
  }
  out.append("Content-Length: ");
  out.append(std::to_string(message.body().size()));
  out.append("\r\n\r\n");
  out.append(message.body());
}

size_t WrittenSize(const SipMessage& message) {
  size_t size = message.is_request()
                    ? message.method_text().size() +
                          message.request_uri().size() +
                          std::string_view("  SIP/2.0\r\n").size()
                    : std::string_view("SIP/2.0 200 \r\n").size() +
                          message.reason_phrase().size();
  for (size_t i = 0; i < message.header_count(); ++i) {
    const SipMessage::Header header = message.header(i);
    if (header.id == HeaderId::kContentLength) continue;
    size += header.name.size() + header.value.size() + 4;
  }
  const size_t body = message.body().size();
  size += std::string_view("Content-Length: 0\r\n\r\n").size() + body;
  for (size_t left = body; left >= 10; left /= 10) ++size;
  return size;
}

std::string WriteSipMessage(const SipMessage& message) {
  std::string out;
  out.reserve(WrittenSize(message));
  AppendSipMessage(message, out);
  return out;
}

SipMessage MakeResponse(const SipMessage& request, int status_code,
                        std::string_view reason_phrase,
                        std::string_view to_tag) {
  SipMessage response = SipMessage::Response(status_code, reason_phrase);
  for (std::string_view via : request.All(HeaderId::kVia)) {
    response.Add(HeaderId::kVia, via);
  }
  const bool may_make_dialog = status_code > 100 && status_code < 300;
  if (may_make_dialog) {
    for (std::string_view route : request.All(HeaderId::kRecordRoute)) {
      response.Add(HeaderId::kRecordRoute, route);
    }
  }
  response.Add(HeaderId::kFrom, request.Value(HeaderId::kFrom));
  const std::string_view to = request.Value(HeaderId::kTo);
  const auto parsed = ParseNameAddr(to);
  if (to_tag.empty() || (parsed.ok() && !parsed->tag().empty())) {
    response.Add(HeaderId::kTo, to);
  } else {
    std::string tagged(to);
    tagged.append(";tag=");
    tagged.append(to_tag);
    response.Add(HeaderId::kTo, tagged);
  }
  response.Add(HeaderId::kCallId, request.Value(HeaderId::kCallId));
  response.Add(HeaderId::kCseq, request.Value(HeaderId::kCseq));
  if (status_code == 100 && request.Has(HeaderId::kTimestamp)) {
    response.Add(HeaderId::kTimestamp, request.Value(HeaderId::kTimestamp));
  }
  return response;
}

}  // namespace sallyport::signaling_edge
