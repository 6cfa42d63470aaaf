// The classes of derived.root: see make_derived.py.
#include <string>
#include <vector>

#include "TList.h"
#include "TObjString.h"
#include "TObject.h"
#include "TParameter.h"

enum Colour { red = 0, green = 1, blue = 7 };

class Shape : public TObject {
public:
    int id = 0;
    ClassDefOverride(Shape, 1)
};

class Circle : public Shape {
public:
    double radius = 0;
    std::vector<float> dots;
    ClassDefOverride(Circle, 2)
};

class Box : public Shape {
public:
    double sides[2] = {0, 0};
    int n = 0;
    float *weights = nullptr; //[n]
    ~Box() override { delete[] weights; }
    ClassDefOverride(Box, 1)
};

class RoundBox : public Box {
public:
    double radius = 0;
    Shape *inner = nullptr;
    ~RoundBox() override { delete inner; }
    ClassDefOverride(RoundBox, 1)
};

class Drawing : public TObject {
public:
    std::vector<Shape *> shapes;
    Shape *first = nullptr;
    TList notes;
    ClassDefOverride(Drawing, 1)
};
