// Any text as a filter of peers and of route patterns.

#include "services/common/rpc/list_filter.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "sallyport/dialplan/v1/peer.pb.h"
#include "sallyport/dialplan/v1/route_pattern.pb.h"
#include "services/common/status/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace pb = ::sallyport::dialplan::v1;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  pb::Peer peer;
  peer.add_x509_subject_names("a.test");
  for (const google::protobuf::Message* message :
       {static_cast<const google::protobuf::Message*>(&peer),
        static_cast<const google::protobuf::Message*>(
            &pb::RoutePattern::default_instance())}) {
    const auto filter =
        sallyport::ListFilter::Parse(text, *message->GetDescriptor());
    if (filter.ok()) {
      filter->Matches(*message);
    } else {
      SP_CHECK(!filter.status().message().empty());
    }
  }
  return 0;
}
