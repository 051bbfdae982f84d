//! Drawing: a scene of shapes, what plots are made of, and the two renderers.

pub(crate) mod axes;
pub(crate) mod bars;
pub(crate) mod fonts;
pub(crate) mod layout;
pub(crate) mod legend;
pub(crate) mod matrix;
pub(crate) mod placement;
pub(crate) mod render;
pub(crate) mod scene;
pub(crate) mod theme;
