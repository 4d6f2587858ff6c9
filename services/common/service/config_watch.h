// Notices that a configuration file has changed, and what of it.

#ifndef SALLYPORT_SERVICES_COMMON_SERVICE_CONFIG_WATCH_H_
#define SALLYPORT_SERVICES_COMMON_SERVICE_CONFIG_WATCH_H_

#include <optional>
#include <string>
#include <vector>

#include "google/protobuf/message.h"

namespace sallyport {

// By content, as orchestrators replace files behind links. Thread-compatible.
class ConfigWatch {
 public:
  // The file as it is now counts as known.
  explicit ConfigWatch(std::string path);

  // The content, if it is another than when last asked. A file that cannot be
  // read has not changed.
  std::optional<std::string> Changed();

 private:
  const std::string path_;
  std::string known_;
};

// The names of the fields of `before` and `after`, of one type, that differ at
// any depth; in the order of their numbers.
std::vector<std::string> ChangedFields(const google::protobuf::Message& before,
                                       const google::protobuf::Message& after);

// One setting that differs. Values are written as in text; a list as a whole;
// empty: not set. Long ones are cut.
struct SettingDifference {
  std::string field;  // "cluster.protocol"
  std::string before;
  std::string after;

  bool operator==(const SettingDifference&) const = default;
};

// The same down to the single settings, in the same order.
std::vector<SettingDifference> ChangedSettings(
    const google::protobuf::Message& before,
    const google::protobuf::Message& after);

// Makes field `name` of `to` what it is in `from`.
void TakeField(const google::protobuf::Message& from, const std::string& name,
               google::protobuf::Message* to);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_SERVICE_CONFIG_WATCH_H_
