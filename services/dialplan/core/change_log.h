// Which resources changed at which version, for consumers that resume.

#ifndef SALLYPORT_SERVICES_DIALPLAN_CORE_CHANGE_LOG_H_
#define SALLYPORT_SERVICES_DIALPLAN_CORE_CHANGE_LOG_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>

namespace sallyport::dialplan {

// The last `capacity` changes, one version each. Thread-compatible.
class ChangeLog {
 public:
  explicit ChangeLog(size_t capacity) : capacity_(capacity) {}

  // Forgets everything: the newest change is that of `version`.
  void StartAt(int64_t version) {
    last_ = version;
    names_.clear();
  }

  // `version` is one more than the last one added, or the log starts anew.
  void Add(int64_t version, std::string name);

  // The names of what changed after `version`; nothing if the log does not
  // reach back so far, or `version` is of the future.
  std::optional<std::set<std::string>> Since(int64_t version) const;

 private:
  size_t capacity_;
  int64_t last_ = 0;  // version of the newest
  std::deque<std::string> names_;
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_CORE_CHANGE_LOG_H_
