// The classes of objects.root: see make_object_fixtures.py.
#include <array>
#include <bitset>
#include <deque>
#include <list>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "Math/GenVector/PtEtaPhiM4D.h"
#include "Math/Vector4D.h"
#include "TArrayD.h"
#include "TClonesArray.h"
#include "TDatime.h"
#include "TLorentzVector.h"
#include "TNamed.h"
#include "TObjString.h"
#include "TObject.h"
#include "TRef.h"
#include "TRefArray.h"
#include "TVector3.h"

enum Colour { red = 0, green = 1, blue = 7 };

// No ClassDef: its version is written as a checksum.
struct Point {
    float x = 0;
    double y = 0;
    short tags[2] = {0, 0};
};

struct Base {
    int id = 0;
    std::string name;
    virtual ~Base() = default;
};

struct Hit : Base {
    Double32_t ranged = 0;     //[-1,1,16]
    Double32_t plain = 0;
    Float16_t half = 0;        //[0,0,10]
    Float16_t sixteen = 0;
    Colour colour = red;
    bool good = false;
    std::vector<float> weights;
    std::map<int, std::string> labels;
    Point point;
};

class Track : public TObject {
public:
    int n = 0;
    float *adc = nullptr;      //[n]
    int m = 0;
    double *time[2] = {nullptr, nullptr}; //[m]
    TString title;
    TVector3 at;
    Track *next = nullptr;
    TNamed *label = nullptr;
    std::vector<Point> points;
    Track() = default;
    ~Track() override;
    void fill(int i);
    ClassDefOverride(Track, 3)
};

class Holder : public TObject {
public:
    TClonesArray *tracks = nullptr;
    TRef lead;
    TRefArray all;
    TDatime when;
    Holder() = default;
    ~Holder() override;
    ClassDefOverride(Holder, 1)
};

// Members that are rare, each with rules of its own.
struct Rare {
    TString names[2];
    std::vector<Colour> colours;
    TArrayD reals;
    TObjString text;
    std::vector<Track *> twice;
    int n = 0;
    Point *points = nullptr;   //[n]
    virtual ~Rare() = default;
};

// Arrays of collections.
struct Grid {
    std::array<std::vector<int>, 2> vectors;
    std::array<std::string, 2> texts;
    std::map<int, double> maps[2];
    std::vector<float> floats[2];
    virtual ~Grid() = default;
};
