// The SIP ladder of a call as the API says it: numbers, names and addresses by
// their hash, as logs have them.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_RPC_CALL_TRACE_PROTO_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_RPC_CALL_TRACE_PROTO_H_

#include "sallyport/signaling_edge/v1/call.pb.h"
#include "services/signaling_edge/core/call_ladder.h"
#include "services/signaling_edge/core/call_record.h"
#include "services/signaling_edge/rpc/edge_proto.h"

namespace sallyport::signaling_edge {

v1::CallTrace TraceToProto(const CallRecord& call, const CallLadder::View& view,
                           const ProtoContext& context);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_RPC_CALL_TRACE_PROTO_H_
