// google.protobuf.Duration and Timestamp to Abseil's types and back.

#ifndef SALLYPORT_SERVICES_COMMON_CONFIG_PROTO_TIME_H_
#define SALLYPORT_SERVICES_COMMON_CONFIG_PROTO_TIME_H_

#include <cstdint>

#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"

namespace sallyport {

inline absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) +
         absl::Nanoseconds(duration.nanos());
}

// For configuration, where zero means a default.
inline absl::Duration FromProtoOr(const google::protobuf::Duration& duration,
                                  absl::Duration if_zero) {
  const absl::Duration out = FromProto(duration);
  return out == absl::ZeroDuration() ? if_zero : out;
}

inline absl::Time FromProto(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) +
         absl::Nanoseconds(time.nanos());
}

inline google::protobuf::Duration ToProto(absl::Duration duration) {
  google::protobuf::Duration out;
  out.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &duration));
  out.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(duration)));
  return out;
}

inline google::protobuf::Timestamp ToProto(absl::Time time) {
  google::protobuf::Timestamp out;
  const int64_t seconds = absl::ToUnixSeconds(time);
  out.set_seconds(seconds);
  out.set_nanos(static_cast<int32_t>(
      absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
  return out;
}

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_CONFIG_PROTO_TIME_H_
