// Changes a number step by step, and keeps the record.

#ifndef SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_NUMBER_CHANGER_H_
#define SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_NUMBER_CHANGER_H_

#include <string>
#include <string_view>
#include <vector>

#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/common/digit_analysis/resolution.h"

namespace sallyport {

// The called and the calling number of a call on its way through patterns, in
// the order of protocols.md section 11.3: of the called side discard, mask,
// prefix; of the calling side the line's external mask, mask, prefix.
// Thread-compatible.
class NumberChanger {
 public:
  // `steps`, if not null, gets each change and must outlive this object.
  NumberChanger(std::string called, std::string calling,
                std::vector<TransformStep>* steps);

  // Applies the called side of a pattern's change. `text`, `numbering_plan`
  // and `form` are those of the pattern that matched the called number.
  void ChangeCalled(const std::string& resource, const Transformation& change,
                    std::string_view text, std::string_view numbering_plan,
                    size_t form);
  // Applies the calling side. A caller that is no number, such as a name, is
  // left as it is: masks are for digits.
  void ChangeCalling(const std::string& resource, const Transformation& change,
                     std::string_view external_mask);

  void SetCalled(const std::string& resource, TransformStep::Kind kind,
                 std::string_view rule, std::string number);
  // Takes a side back to what it was in `earlier`; recorded if that changes
  // anything.
  void RestoreCalled(const std::string& resource, const NumberChanger& earlier);
  void RestoreCalling(const std::string& resource,
                      const NumberChanger& earlier);
  // From here on steps are recorded in `steps`.
  void RecordIn(std::vector<TransformStep>* steps) { steps_ = steps; }

  const std::string& called() const { return called_; }
  const std::string& calling() const { return calling_; }
  bool restrict_presentation() const { return restrict_; }

 private:
  void Set(const std::string& resource, TransformStep::Side side,
           TransformStep::Kind kind, std::string_view rule, std::string after);

  std::string called_;
  std::string calling_;
  bool restrict_ = false;
  std::vector<TransformStep>* steps_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_NUMBER_CHANGER_H_
