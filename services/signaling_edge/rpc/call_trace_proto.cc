#include "services/signaling_edge/rpc/call_trace_proto.h"

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "services/common/config/proto_time.h"
#include "services/common/log/redact.h"
#include "services/common/net/socket_address.h"
#include "services/signaling_edge/core/media_session.h"
#include "services/signaling_edge/core/sip_redaction.h"
#include "services/signaling_edge/rpc/plain_text.h"

namespace sallyport::signaling_edge {

v1::CallTrace TraceToProto(const CallRecord& call, const CallLadder::View& view,
                           const ProtoContext& context) {
  const v1::Call whole = ToProto(call, context);
  v1::CallTrace out;
  out.set_name(absl::StrCat(whole.name(), "/trace"));
  out.set_state(whole.state());
  out.set_reason(whole.reason());
  out.set_dropped_messages(view.dropped);
  for (const v1::CallLeg& leg : whole.legs()) {
    v1::CallTraceLeg& row = *out.add_legs();
    row.set_incoming(leg.incoming());
    row.set_party(leg.has_peer() ? leg.peer() : leg.user());
    row.set_connection(leg.connection());
    row.set_remote(RedactedHash(leg.remote_address().address()));
    row.set_transport(leg.remote_address().transport());
  }
  for (const LadderMessage& message : view.messages) {
    v1::CallTraceMessage& row = *out.add_messages();
    *row.mutable_message_time() =
        sallyport::ToProto(context.time.At(message.at));
    const auto leg = static_cast<uint32_t>(IndexOf(message.leg));
    row.set_leg(leg);
    row.set_sent(message.sent);
    std::string_view rest;
    const std::string text = RedactSip(message.text, RedactedHash);
    for (rest = text; !rest.empty();) {
      const size_t end = rest.find("\r\n");
      absl::StrAppend(row.mutable_text(), PlainText(rest.substr(0, end)), "\n");
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 2);
    }
    row.set_summary(row.text().substr(0, row.text().find('\n')));
    if (message.connection != 0 && leg < call.legs.size()) {
      LegRecord that = call.legs[leg];  // the leg may have another one by now
      that.flow.connection = message.connection;
      row.set_connection(ConnectionNameOf(that));
    }
    row.set_transport(ToProto(SocketAddress(), message.transport).transport());
    row.set_reason(message.reason);
  }
  return out;
}

}  // namespace sallyport::signaling_edge
