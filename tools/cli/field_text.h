// Fields of messages as a person reads them.

#ifndef SALLYPORT_TOOLS_CLI_FIELD_TEXT_H_
#define SALLYPORT_TOOLS_CLI_FIELD_TEXT_H_

#include <string>

#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace sallyport::cli {

// The value at `path` ("legs.0.media_protocol", "summary.serial",
// "remote_address"), or "" if it is not set or there is no such field:
// - an enum value without the prefix of its type; "" if unspecified;
// - a resource name in full; a TransportAddress as host:port/transport;
// - times in UTC, "2026-11-21 19:50:00"; durations as "1.5s";
// - repeated values joined by ", "; bytes in hex; a oneof by its set field;
// - a secret ("password", "key_salt" and the like) as "(hidden)".
std::string FieldText(const google::protobuf::Message& message,
                      const std::string& path);

// "SECURED" of SECURITY_MODE_SECURED; "" of SECURITY_MODE_UNSPECIFIED.
std::string EnumText(const google::protobuf::EnumValueDescriptor& value);

// True if the field holds what no screen should show unasked.
bool IsSecretField(const google::protobuf::FieldDescriptor& field);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_FIELD_TEXT_H_
